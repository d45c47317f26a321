// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/runs/setting_rows.h"

#include <QComboBox>
#include <QCompleter>
#include <QHBoxLayout>
#include <QLineEdit>
#include <QToolButton>
#include <QVBoxLayout>
#include <algorithm>

#include "ui/language.h"
#include "ui/theme.h"

namespace luthier {

SettingRows::SettingRows(const QString& name, const Recipe& recipe,
                         std::function<bool(const FieldDescription&)> offered, QWidget* parent)
    : QWidget(parent), name_(name), recipe_(recipe) {
  for (const FieldDescription& field : recipe_fields())
    if (applies(field, recipe) && offered(field)) keys_.push_back(field.key);
  layout_ = new QVBoxLayout(this);
  layout_->setContentsMargins(0, 0, 0, 0);
  layout_->setSpacing(6);
  add_ = new QToolButton(this);
  add_->setObjectName(name_ + QStringLiteral("Add"));
  add_->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
  set_themed_icon(add_, QStringLiteral("plus"));
  layout_->addWidget(add_, 0, Qt::AlignLeft);
  connect(add_, &QToolButton::clicked, this, [this] { add(); });
  on_language(this, [this] { add_->setText(tr("Another setting")); });
}

void SettingRows::add(const std::string& key) {
  std::string wanted = key;
  for (std::size_t i = 0; wanted.empty() && i < keys_.size(); ++i) {
    const bool used = std::any_of(lines_.begin(), lines_.end(), [&](const Line& line) {
      return line.field->currentData().toString().toStdString() == keys_[i];
    });
    if (!used) wanted = keys_[i];
  }
  Line line{};
  line.holder = new QWidget(this);
  auto* row = new QHBoxLayout(line.holder);
  row->setContentsMargins(0, 0, 0, 0);
  line.field = new QComboBox(line.holder);
  line.field->setEditable(true);
  line.field->setInsertPolicy(QComboBox::NoInsert);
  line.field->completer()->setFilterMode(Qt::MatchContains);
  line.field->completer()->setCompletionMode(QCompleter::PopupCompletion);
  line.field->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
  line.field->setMinimumContentsLength(20);
  for (const std::string& each : keys_) {
    line.field->addItem(QString(), QString::fromStdString(each));
    line.field->setItemData(line.field->count() - 1, QString::fromStdString(each), Qt::ToolTipRole);
  }
  line.value = new QLineEdit(line.holder);
  line.remove = new QToolButton(line.holder);
  set_themed_icon(line.remove, QStringLiteral("close"));
  row->addWidget(line.field, 3);
  row->addWidget(line.value, 2);
  row->addWidget(line.remove);
  layout_->insertWidget(layout_->indexOf(add_), line.holder);
  const auto show_value = [this, field = line.field, value = line.value] {
    const std::string chosen = field->currentData().toString().toStdString();
    const auto now = get_field(recipe_, chosen);
    value->setText(now ? QString::fromStdString(*now) : QString());
  };
  line.field->setCurrentIndex(line.field->findData(QString::fromStdString(wanted)));
  show_value();
  connect(line.field, &QComboBox::currentIndexChanged, this, [this, show_value] {
    show_value();
    emit changed();
  });
  connect(line.value, &QLineEdit::textChanged, this, &SettingRows::changed);
  connect(line.remove, &QToolButton::clicked, this,
          [this, holder = line.holder] { remove(holder); });
  on_language(line.holder, [this, line] {
    const QSignalBlocker quiet(line.field);
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      const auto described = std::find_if(recipe_fields().begin(), recipe_fields().end(),
                                          [&](const auto& field) { return field.key == keys_[i]; });
      line.field->setItemText(static_cast<int>(i), recipe_text(described->label));
    }
    line.field->setEditText(line.field->itemText(line.field->currentIndex()));
    line.field->setAccessibleName(tr("Setting"));
    line.value->setAccessibleName(tr("Value"));
    line.remove->setToolTip(tr("Take this setting out"));
    line.remove->setAccessibleName(tr("Take this setting out"));
  });
  lines_.push_back(line);
  name_lines();
  emit changed();
}

void SettingRows::remove(QWidget* holder) {
  std::erase_if(lines_, [&](const Line& line) { return line.holder == holder; });
  holder->hide();
  holder->deleteLater();
  name_lines();
  emit changed();
}

void SettingRows::name_lines() {
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    const QString number = QString::number(i);
    lines_[i].field->setObjectName(name_ + QStringLiteral("Field") + number);
    lines_[i].value->setObjectName(name_ + QStringLiteral("Value") + number);
    lines_[i].remove->setObjectName(name_ + QStringLiteral("Remove") + number);
  }
}

std::vector<std::pair<std::string, std::string>> SettingRows::values() const {
  std::vector<std::pair<std::string, std::string>> all;
  for (const Line& line : lines_)
    all.emplace_back(line.field->currentData().toString().toStdString(),
                     line.value->text().trimmed().toStdString());
  return all;
}

}  // namespace luthier
