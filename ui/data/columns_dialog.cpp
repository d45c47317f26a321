// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/columns_dialog.h"

#include <QComboBox>
#include <QCoreApplication>
#include <QFormLayout>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QSignalBlocker>
#include <QTableWidget>
#include <QVBoxLayout>
#include <map>

#include "ui/format.h"
#include "ui/language.h"
#include "ui/messages.h"
#include "ui/theme.h"
#include "ui/widgets/banner.h"
#include "ui/widgets/card.h"
#include "ui/widgets/quiet_view.h"

namespace luthier {

namespace {

/// "image" → what the window calls it; empty: nothing.
QString target_words(const std::string& target) {
  static const std::map<std::string, const char*> words = {
      {"", QT_TRANSLATE_NOOP("columns", "–")},
      {"image", QT_TRANSLATE_NOOP("columns", "Picture")},
      {"images", QT_TRANSLATE_NOOP("columns", "Pictures (a list)")},
      {"video", QT_TRANSLATE_NOOP("columns", "Film")},
      {"prompt", QT_TRANSLATE_NOOP("columns", "Question")},
      {"completion", QT_TRANSLATE_NOOP("columns", "Answer")},
      {"messages", QT_TRANSLATE_NOOP("columns", "Messages")},
      {"conversations", QT_TRANSLATE_NOOP("columns", "Conversation (from, value)")},
      {"system", QT_TRANSLATE_NOOP("columns", "System prompt")},
      {"chosen", QT_TRANSLATE_NOOP("columns", "Chosen answer")},
      {"rejected", QT_TRANSLATE_NOOP("columns", "Rejected answer")},
      {"label", QT_TRANSLATE_NOOP("columns", "Good or bad")},
      {"text", QT_TRANSLATE_NOOP("columns", "Plain text")},
      {"history", QT_TRANSLATE_NOOP("columns", "Earlier turns")},
      {"tools", QT_TRANSLATE_NOOP("columns", "Tools")},
      {"boxes", QT_TRANSLATE_NOOP("columns", "Boxes")}};
  const auto found = words.find(target);
  return found == words.end() ? QString::fromStdString(target)
                              : QCoreApplication::translate("columns", found->second);
}

QString kind_words(const std::string& kind) {
  static const std::map<std::string, const char*> words = {
      {"picture", QT_TRANSLATE_NOOP("columns", "picture")},
      {"text", QT_TRANSLATE_NOOP("columns", "text")},
      {"number", QT_TRANSLATE_NOOP("columns", "number")},
      {"list", QT_TRANSLATE_NOOP("columns", "list")},
      {"messages", QT_TRANSLATE_NOOP("columns", "messages")},
      {"object", QT_TRANSLATE_NOOP("columns", "object")},
      {"empty", QT_TRANSLATE_NOOP("columns", "empty")}};
  const auto found = words.find(kind);
  return found == words.end() ? QString() : QCoreApplication::translate("columns", found->second);
}

QString turn_words(const std::vector<Message>& turns) {
  QString text;
  for (const Message& turn : turns) {
    text += QStringLiteral("\n%1: ").arg(QString::fromStdString(turn.role));
    for (const ContentPart& part : turn.content)
      text += part.kind == ContentPart::Kind::Text
                  ? QString::fromStdString(part.text).simplified().left(300)
                  : QStringLiteral("▣ ");
  }
  return text;
}

}  // namespace

ColumnsDialog::ColumnsDialog(QWidget* parent) : QDialog(parent) {
  setObjectName(QStringLiteral("columnsDialog"));
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(24, 20, 24, 20);
  layout->setSpacing(12);
  note_ = muted_label(this);
  layout->addWidget(note_);
  banner_ = new Banner(this);
  layout->addWidget(banner_);
  table_ = new QTableWidget(0, 4, this);
  table_->setObjectName(QStringLiteral("columnTable"));
  make_quiet(table_);
  table_->setEditTriggers(QAbstractItemView::NoEditTriggers);
  table_->setSelectionBehavior(QAbstractItemView::SelectRows);
  table_->setTabKeyNavigation(false);
  table_->verticalHeader()->hide();
  table_->verticalHeader()->setDefaultSectionSize(34);
  table_->horizontalHeader()->setSectionResizeMode(2, QHeaderView::Stretch);
  table_->setColumnWidth(0, 150);
  table_->setColumnWidth(1, 80);
  table_->setColumnWidth(3, 200);
  layout->addWidget(table_, 1);
  auto* form = new QFormLayout;
  form->setSpacing(8);
  question_ = new QLineEdit(this);
  question_->setObjectName(QStringLiteral("columnsQuestion"));
  answer_ = new QLineEdit(this);
  answer_->setObjectName(QStringLiteral("columnsAnswer"));
  question_label_ = new QLabel(this);
  question_label_->setBuddy(question_);
  answer_label_ = new QLabel(this);
  answer_label_->setBuddy(answer_);
  form->addRow(question_label_, question_);
  form->addRow(answer_label_, answer_);
  layout->addLayout(form);
  preview_ = text_label(this, true);
  preview_->setObjectName(QStringLiteral("columnsPreview"));
  preview_->setMinimumHeight(90);
  preview_->setAlignment(Qt::AlignTop | Qt::AlignLeft);
  layout->addWidget(preview_);
  auto* row = new QHBoxLayout;
  const auto button = [&](const char* name) {
    auto* made = new QPushButton(this);
    made->setObjectName(QLatin1String(name));
    made->setAutoDefault(false);
    row->addWidget(made);
    return made;
  };
  guess_ = button("columnsGuess");
  clear_ = button("columnsClear");
  row->addStretch();
  close_ = button("columnsClose");
  use_ = button("columnsUse");
  use_->setDefault(true);
  layout->addLayout(row);
  resize(760, 620);
  connect(question_, &QLineEdit::textChanged, this, &ColumnsDialog::preview);
  connect(answer_, &QLineEdit::textChanged, this, &ColumnsDialog::preview);
  connect(guess_, &QPushButton::clicked, this, [this] { take(looked_.guess); });
  connect(clear_, &QPushButton::clicked, this, [this] { take({}); });
  connect(close_, &QPushButton::clicked, this, &QDialog::close);
  connect(use_, &QPushButton::clicked, this, [this] {
    const auto checked = column_map(column_entries(map()), map().prompt, map().answer);
    if (!checked) return banner_->show_error(checked.error());
    emit chosen(*checked);
    close();
  });
  on_language(this, [this] { retranslate(); });
}

void ColumnsDialog::retranslate() {
  setWindowTitle(tr("Columns of the data"));
  note_->setText(tr(
      "What each column is. Others stay beside the row, for rewards and courses that name them."));
  table_->setHorizontalHeaderLabels({tr("Column"), tr("Holds"), tr("For example"), tr("Is")});
  table_->setAccessibleName(tr("Columns"));
  question_label_->setText(tr("&Question of all rows"));
  question_->setPlaceholderText(tr("Describe the picture. – or {column} for a column's text"));
  question_->setAccessibleName(tr("Question of all rows"));
  answer_label_->setText(tr("&Answer of all rows"));
  answer_->setPlaceholderText(
      tr("{column} for a column's text; empty: the column that is the answer"));
  answer_->setAccessibleName(tr("Answer of all rows"));
  guess_->setText(tr("&Guess"));
  clear_->setText(tr("As the rows &are"));
  use_->setText(tr("&Use these columns"));
  close_->setText(tr("&Close"));
  if (kind_) fill();
}

void ColumnsDialog::show_columns(const ColumnsLooked& looked, const ColumnMap& map,
                                 const RowKind& kind) {
  looked_ = looked;
  kind_ = &kind;
  banner_->dismiss();
  fill();
  take(map.empty() ? looked.guess : map);
  show();
  raise();
  activateWindow();
}

void ColumnsDialog::fill() {
  const ColumnMap before = map();
  const auto& columns = looked_.survey.columns;
  targets_.clear();
  table_->setRowCount(0);
  table_->setRowCount(static_cast<int>(columns.size()));
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const int row = static_cast<int>(i);
    const QString name = QString::fromStdString(columns[i].name);
    table_->setItem(row, 0, new QTableWidgetItem(name));
    table_->setItem(row, 1, new QTableWidgetItem(kind_words(columns[i].kind)));
    auto* example = new QTableWidgetItem(QString::fromStdString(columns[i].example).simplified());
    example->setToolTip(QString::fromStdString(columns[i].example));
    table_->setItem(row, 2, example);
    auto* target = new QComboBox(table_);
    target->setObjectName(QStringLiteral("column_") + name);
    target->setAccessibleName(tr("What %1 is").arg(name));
    target->addItem(target_words({}), QString());
    for (const std::string& each : column_targets())
      target->addItem(target_words(each), QString::fromStdString(each));
    table_->setCellWidget(row, 3, target);
    targets_.push_back(target);
    connect(target, &QComboBox::currentIndexChanged, this, &ColumnsDialog::preview);
  }
  take(before);
}

void ColumnsDialog::take(const ColumnMap& map) {
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    const QSignalBlocker quiet(targets_[i]);
    QString target;
    for (const auto& [is, column] : map.columns)
      if (column == looked_.survey.columns[i].name) target = QString::fromStdString(is);
    targets_[i]->setCurrentIndex(std::max(0, targets_[i]->findData(target)));
  }
  const QSignalBlocker quiet_question(question_), quiet_answer(answer_);
  question_->setText(QString::fromStdString(map.prompt));
  answer_->setText(QString::fromStdString(map.answer));
  preview();
}

ColumnMap ColumnsDialog::map() const {
  ColumnMap made;
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    const std::string target = targets_[i]->currentData().toString().toStdString();
    if (!target.empty()) made.columns.emplace_back(target, looked_.survey.columns[i].name);
  }
  made.prompt = question_->text().trimmed().toStdString();
  made.answer = answer_->text().trimmed().toStdString();
  return made;
}

void ColumnsDialog::preview() {
  if (!kind_ || looked_.rows.empty()) return preview_->clear();
  const auto read = kind_->read(mapped_row(map(), looked_.rows.front()), looked_.folders.front(),
                                "row 1", nullptr);
  if (!read) {
    set_ink(preview_, Ink::Warning);
    preview_->setText(tr("The first row cannot be read so: %1").arg(said_text(read.error().what)));
    return;
  }
  set_ink(preview_, Ink::Text);
  QString text = tr("The first row is read as:") + turn_words(read->messages);
  for (const auto* answers : {&read->chosen, &read->rejected, &read->answer})
    if (*answers) text += turn_words(**answers);
  preview_->setText(text);
}

}  // namespace luthier
