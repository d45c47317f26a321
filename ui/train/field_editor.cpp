// SPDX-License-Identifier: GPL-3.0-or-later
// One kind of editor a field type.
#include "ui/train/field_editor.h"

#include <QAction>
#include <QApplication>
#include <QCheckBox>
#include <QComboBox>
#include <QFileDialog>
#include <QHBoxLayout>
#include <QLineEdit>
#include <QPainter>
#include <QToolButton>
#include <QVBoxLayout>
#include <QWheelEvent>

#include "ui/help/help_text.h"
#include "ui/language.h"
#include "ui/theme.h"
#include "ui/train/target_chips.h"
#include "ui/widgets/card.h"

namespace luthier {

namespace {

using Type = FieldDescription::Type;

/// A combo box that a scrolling hand does not change by accident.
class QuietCombo : public QComboBox {
 public:
  using QComboBox::QComboBox;
  void wheelEvent(QWheelEvent* event) override { event->ignore(); }
};

QString object_name(const FieldDescription& field) {
  return QStringLiteral("field_") +
         QString::fromStdString(field.key).replace(QLatin1Char('.'), QLatin1Char('_'));
}

}  // namespace

FieldError::FieldError(QWidget* canvas) : QLabel(canvas) {
  setTextFormat(Qt::PlainText);
  setWordWrap(true);
  setFont(scaled_font(0.85));
  setContentsMargins(8, 3, 8, 3);
  setAttribute(Qt::WA_TransparentForMouseEvents);
  const auto tint = [this] {
    QPalette palette = this->palette();
    palette.setColor(QPalette::WindowText, colours().error);
    setPalette(palette);
  };
  tint();
  connect(&Theme::instance(), &Theme::changed, this, tint);
  hide();
}

void FieldError::paintEvent(QPaintEvent* event) {
  {
    QPainter p(this);
    p.setRenderHint(QPainter::Antialiasing);
    p.setPen(QPen(colours().error, 1));
    p.setBrush(colours().card);
    p.drawRoundedRect(QRectF(rect()).adjusted(0.5, 0.5, -0.5, -0.5), 5, 5);
  }
  QLabel::paintEvent(event);
}

FieldEditor::FieldEditor(const FieldDescription& field, QWidget* canvas, QWidget* parent)
    : QWidget(parent), field_(field), help_(field.help), choices_(field.choices), canvas_(canvas) {
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(0, 0, 0, 0);
  layout->setSpacing(2);
  auto* row = new QHBoxLayout;
  row->setSpacing(4);
  layout->addLayout(row);
  switch (field.type) {
    case Type::Choice: row->addWidget(make_choice(), 1); break;
    case Type::Boolean:
      box_ = new QCheckBox(this);
      connect(box_, &QCheckBox::clicked, this, [this](bool on) {
        emit edited(on ? QStringLiteral("true") : QStringLiteral("false"), true);
      });
      row->addWidget(box_, 1);
      break;
    case Type::Path:
    case Type::Paths: row->addWidget(make_line(true), 1); break;
    default: row->addWidget(make_line(false), 1);
  }
  if (field.type == Type::Modules && field.key == "adapter.target_modules") {
    chips_ = new TargetChips(this);
    connect(chips_, &TargetChips::chosen, this,
            [this](const QString& value) { emit edited(value, true); });
  }
  if (!field.unit.empty()) {
    unit_ = muted_label(this);
    unit_->setWordWrap(false);
    row->addWidget(unit_);
  }
  reset_ = new QToolButton(this);
  reset_->setObjectName(object_name(field) + QStringLiteral("_reset"));
  reset_->setAutoRaise(true);
  reset_->setFixedSize(22, 22);
  reset_->setIconSize({14, 14});
  reset_->setFocusPolicy(Qt::NoFocus);
  QSizePolicy keep = reset_->sizePolicy();
  keep.setRetainSizeWhenHidden(true);
  reset_->setSizePolicy(keep);
  set_themed_icon(reset_, QStringLiteral("refresh"));
  connect(reset_, &QToolButton::clicked, this, &FieldEditor::reset_asked);
  row->addWidget(reset_);
  reset_->hide();
  error_ = new FieldError(canvas_);
  error_->setObjectName(object_name(field) + QStringLiteral("_error"));
  canvas_->installEventFilter(this);
  parent->installEventFilter(this);
  connect(&Theme::instance(), &Theme::changed, this, &FieldEditor::mark);
  focus_target()->setObjectName(object_name(field));
  setFocusProxy(focus_target());
  on_language(this, [this] { retranslate(); });
}

QWidget* FieldEditor::make_line(bool path) {
  line_ = new QLineEdit(this);
  const bool number = field_.type == Type::Integer || field_.type == Type::Number;
  if (number) line_->setAlignment(Qt::AlignRight);
  if (field_.nullable || field_.type == Type::NameList || field_.type == Type::Modules ||
      field_.type == Type::Paths)
    line_->setPlaceholderText(QStringLiteral("–"));
  line_->installEventFilter(this);
  connect(line_, &QLineEdit::textEdited, this, [this] { emit edited(value(), false); });
  connect(line_, &QLineEdit::editingFinished, this, [this] {
    if (line_->isModified()) {
      line_->setModified(false);
      emit edited(value(), true);
    }
  });
  if (!path) return line_;
  auto* holder = new QWidget(this);
  auto* row = new QHBoxLayout(holder);
  row->setContentsMargins(0, 0, 0, 0);
  row->setSpacing(2);
  row->addWidget(line_, 1);
  browse_ = new QToolButton(holder);
  browse_->setObjectName(object_name(field_) + QStringLiteral("_browse"));
  browse_->setIconSize({16, 16});
  set_themed_icon(browse_,
                  field_.type == Type::Paths ? QStringLiteral("file") : QStringLiteral("folder"));
  connect(browse_, &QToolButton::clicked, this, &FieldEditor::browse);
  row->addWidget(browse_);
  return holder;
}

QWidget* FieldEditor::make_choice() {
  combo_ = new QuietCombo(this);
  fill_choices();
  combo_->setMinimumContentsLength(6);
  combo_->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
  connect(combo_, &QComboBox::activated, this, [this] { emit edited(value(), true); });
  return combo_;
}

void FieldEditor::fill_choices() {
  combo_->clear();
  for (const std::string& choice : choices_)
    combo_->addItem(recipe_text(choice), QString::fromStdString(choice));
}

void FieldEditor::show_as(const FieldDescription& chosen) {
  const bool other_choices = combo_ && choices_ != chosen.choices;
  if (!other_choices && help_ == chosen.help) return;
  choices_ = chosen.choices;
  help_ = chosen.help;
  if (other_choices) fill_choices();
  retranslate();
}

QWidget* FieldEditor::focus_target() const {
  if (combo_) return combo_;
  if (box_) return box_;
  return line_;
}

QWidget* FieldEditor::below() const { return chips_; }

void FieldEditor::show_value(const QString& value) {
  if (combo_) {
    // The choice null is written in quotes, so that it is not read as no value.
    int index = combo_->findData(value);
    if (index < 0 && value.size() > 2 && value.startsWith(QLatin1Char('"')))
      index = combo_->findData(value.mid(1, value.size() - 2));
    // A value that a recipe may hold and no list names, such as cuda:1.
    if (index < 0) {
      combo_->addItem(recipe_text(value.toStdString()), value);
      index = combo_->count() - 1;
    }
    combo_->setCurrentIndex(index);
  } else if (box_) {
    box_->setChecked(value == QLatin1String("true"));
  } else {
    const QString shown = value == QLatin1String("null") ? QString() : value;
    if (line_->text() != shown) line_->setText(shown);
    if (chips_) chips_->show_value(value);
  }
}

void FieldEditor::show_draft(const QString& text) {
  if (box_) box_->setChecked(text == QLatin1String("true"));
  if (!line_) return;
  const QString draft = text.trimmed();
  const bool empty = draft.isEmpty() && value() == QLatin1String("null");
  if (!empty && line_->text().trimmed() != draft) line_->setText(text);
  // What stands in the line is no choice of theirs.
  if (chips_) chips_->show_value(QStringLiteral("null"));
}

bool FieldEditor::is_being_typed() const {
  return line_ && line_->hasFocus() && line_->isModified();
}
QString FieldEditor::error() const { return error_->text(); }

QString FieldEditor::value() const {
  if (combo_) return combo_->currentData().toString();
  if (box_) return box_->isChecked() ? QStringLiteral("true") : QStringLiteral("false");
  const QString text = line_->text().trimmed();
  const bool empty_is_null = field_.type != Type::Text && field_.type != Type::Path;
  return text.isEmpty() && (empty_is_null || field_.nullable) ? QStringLiteral("null") : text;
}

void FieldEditor::show_error(const QString& error) {
  if (error_->text() == error) return;
  error_->setText(error);
  mark();
  place_error();
}

void FieldEditor::mark() {
  if (!line_) return;
  const bool wrong = !error_->text().isEmpty();
  QPalette palette = QApplication::palette(line_);
  if (wrong) palette.setColor(QPalette::Text, colours().error);
  line_->setPalette(palette);
  delete mark_;
  mark_ = wrong ? line_->addAction(themed_icon(QStringLiteral("error"), colours().error),
                                   QLineEdit::LeadingPosition)
                : nullptr;
  if (mark_) mark_->setToolTip(error_->text());
}

void FieldEditor::place_error() {
  const QWidget* row = parentWidget();
  const bool shown = !error_->text().isEmpty() && row->isVisibleTo(canvas_);
  if (shown) {
    const int left = row->mapTo(canvas_, QPoint(0, 0)).x();
    const int width = row->width();
    const int height = error_->heightForWidth(width);
    const QWidget* field = focus_target();
    const int above = field->mapTo(canvas_, QPoint(0, 0)).y() - height - 1;
    const int below = field->mapTo(canvas_, QPoint(0, field->height())).y() + 1;
    // Under the last field there is no room.
    const QRect place(left, below + height > canvas_->height() && above >= 0 ? above : below, width,
                      height);
    if (error_->geometry() != place) error_->setGeometry(place);
    error_->raise();
  }
  // Who works in the field that the sentence would cover, sees the field.
  const QWidget* used = QApplication::focusWidget();
  const bool elsewhere = used && canvas_->isAncestorOf(used) && !isAncestorOf(used);
  const bool covers =
      elsewhere &&
      QRect(used->mapTo(canvas_, QPoint(0, 0)), used->size()).intersects(error_->geometry());
  error_->setVisible(shown && !covers);
}

bool FieldEditor::eventFilter(QObject* watched, QEvent* event) {
  if (watched == line_ && event->type() == QEvent::ShortcutOverride) {
    // Undo is that of the settings, also where the keyboard is in one of them: what was typed into
    // a field is one change among the others.
    const auto* key = static_cast<QKeyEvent*>(event);
    if (key->matches(QKeySequence::Undo) || key->matches(QKeySequence::Redo)) {
      event->ignore();
      return true;
    }
  }
  switch (event->type()) {
    case QEvent::Resize:
    case QEvent::Move:
    case QEvent::ShowToParent:
    case QEvent::HideToParent:
      if (error_ && !error_->text().isEmpty()) place_error();
      break;
    default: break;
  }
  return QWidget::eventFilter(watched, event);
}

void FieldEditor::set_changed(bool changed) {
  reset_->setVisible(changed && focus_target()->isEnabled());
}

void FieldEditor::set_locked(bool locked) {
  if (line_) line_->setReadOnly(locked);
  for (QWidget* widget : std::initializer_list<QWidget*>{combo_, box_, chips_, browse_, reset_})
    if (widget) widget->setEnabled(!locked);
}

void FieldEditor::browse() {
  const QString start = line_->text().section(QLatin1Char(','), 0, 0).trimmed();
  QString chosen;
  if (field_.type == Type::Paths) {
    chosen = QFileDialog::getOpenFileNames(this, recipe_text(field_.label), start,
                                           tr("Rows (*.jsonl *.json)"))
                 .join(QStringLiteral(", "));
  } else {
    chosen = QFileDialog::getExistingDirectory(this, recipe_text(field_.label), start);
  }
  if (chosen.isEmpty()) return;
  line_->setText(chosen);
  emit edited(value(), true);
}

void FieldEditor::retranslate() {
  const QString label = recipe_text(field_.label), help = recipe_text(help_);
  QWidget* target = focus_target();
  target->setAccessibleName(label);
  const QString note = field_note_text(field_.key);
  target->setAccessibleDescription(note.isEmpty() ? help : help + QLatin1Char(' ') + note);
  target->setToolTip(QStringLiteral("<p><b>%1</b><br>%2%3<br><code>%4</code></p>")
                         .arg(label.toHtmlEscaped(), help.toHtmlEscaped(),
                              note.isEmpty()
                                  ? QString()
                                  : QStringLiteral("<br><i>%1</i>").arg(note.toHtmlEscaped()),
                              QString::fromStdString(field_.key)));
  if (unit_) unit_->setText(recipe_text(field_.unit));
  reset_->setToolTip(tr("Back to the default"));
  reset_->setAccessibleName(tr("%1: back to the default").arg(label));
  if (browse_) browse_->setAccessibleName(tr("%1: browse").arg(label));
  if (!combo_) return;
  for (int i = 0; i < combo_->count(); ++i)
    combo_->setItemText(i, recipe_text(combo_->itemData(i).toString().toStdString()));
  for (std::size_t i = 0; i < field_.choice_help.size(); ++i)
    combo_->setItemData(static_cast<int>(i), recipe_text(field_.choice_help[i]), Qt::ToolTipRole);
}

}  // namespace luthier
