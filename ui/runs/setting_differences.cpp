// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/runs/setting_differences.h"

#include <QHeaderView>
#include <QLabel>
#include <QTableWidget>
#include <QVBoxLayout>
#include <map>

#include "ui/language.h"
#include "ui/runs/path_tails.h"
#include "ui/widgets/card.h"
#include "ui/widgets/quiet_view.h"

namespace luthier {

namespace {
constexpr int kSettingWidth = 100;
constexpr const char* kNotRead = "–";
}  // namespace

std::vector<SettingDifference> setting_differences(const std::vector<const RunRow*>& rows) {
  std::map<std::string, std::vector<std::string>> values;
  for (std::size_t i = 1; i < rows.size(); ++i)
    for (const FieldDifference& difference :
         recipe_differences(*rows[0]->recipe, *rows[i]->recipe)) {
      auto [entry, fresh] = values.try_emplace(
          difference.key, std::vector<std::string>(rows.size(), difference.left));
      entry->second[i] = difference.right;
    }
  // A setting says nothing of a run whose method or objective does not have it.
  for (const FieldDescription& field : recipe_fields()) {
    const auto found = values.find(field.key);
    if (found == values.end()) continue;
    bool any = false;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const bool read = applies(field, *rows[i]->recipe);
      if (!read) found->second[i] = kNotRead;
      any = any || read;
    }
    if (!any) values.erase(found);
  }
  values.erase("output_dir");  // never the same, and no setting that anything follows from
  std::vector<SettingDifference> all;
  for (auto& [key, list] : values) {
    SettingDifference difference{key, QString::fromStdString(key), std::move(list)};
    for (const FieldDescription& field : recipe_fields())
      if (field.key == key) difference.label = recipe_text(field.label);
    all.push_back(std::move(difference));
  }
  return all;
}

std::map<std::string, QString> value_tails(const std::vector<SettingDifference>& differences) {
  std::vector<std::string> paths;
  for (const SettingDifference& difference : differences)
    for (const std::string& value : difference.values)
      if (value.find('/') != std::string::npos) paths.push_back(value);
  return path_tails(paths);
}

DifferencesView::DifferencesView(QWidget* parent) : QWidget(parent) {
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(0, 4, 0, 0);
  note_ = muted_label(this, 0.88);
  layout->addWidget(note_);
  table_ = new QTableWidget(this);
  table_->setObjectName(QStringLiteral("differenceTable"));
  make_quiet(table_);
  table_->setEditTriggers(QAbstractItemView::NoEditTriggers);
  table_->setTabKeyNavigation(false);
  // Values are wrapped, not elided: two paths that end alike would look alike.
  table_->setTextElideMode(Qt::ElideNone);
  table_->setWordWrap(true);
  table_->verticalHeader()->hide();
  table_->verticalHeader()->setMinimumSectionSize(26);
  table_->verticalHeader()->setSectionResizeMode(QHeaderView::ResizeToContents);
  table_->horizontalHeader()->setSectionResizeMode(QHeaderView::Stretch);
  layout->addWidget(table_, 1);
  layout->addStretch(0);
  on_language(this, [this] { table_->setAccessibleName(tr("Settings that differ")); });
}

void DifferencesView::show_rows(const std::vector<const RunRow*>& rows) {
  // Without two runs there is nothing to compare, and a table without cells shows its columns'
  // numbers as their names.
  table_->setRowCount(0);
  table_->setColumnCount(rows.size() < 2 ? 0 : static_cast<int>(rows.size()) + 1);
  table_->setVisible(rows.size() >= 2);
  if (rows.size() < 2) {
    note_->setText(tr("Tick two runs or more: what was set differently stands here."));
    return;
  }
  // The longest word of a setting's name is read whole.
  table_->horizontalHeader()->setSectionResizeMode(0, QHeaderView::Fixed);
  table_->horizontalHeader()->resizeSection(0, kSettingWidth);
  QStringList heads{tr("Setting")};
  for (const RunRow* row : rows) heads << QString::fromStdString(row->summary.name);
  table_->setHorizontalHeaderLabels(heads);
  const std::vector<SettingDifference> differences = setting_differences(rows);
  const std::map<std::string, QString> tails = value_tails(differences);
  table_->setRowCount(static_cast<int>(differences.size()));
  int line = 0;
  for (const SettingDifference& difference : differences) {
    auto* name = new QTableWidgetItem(difference.label);
    name->setToolTip(QString::fromStdString(difference.key));
    table_->setItem(line, 0, name);
    for (std::size_t i = 0; i < difference.values.size(); ++i) {
      auto* item = new QTableWidgetItem(QString::fromStdString(difference.values[i]));
      item->setToolTip(item->text());
      if (const auto tail = tails.find(difference.values[i]); tail != tails.end())
        item->setText(tail->second);
      table_->setItem(line, static_cast<int>(i) + 1, item);
    }
    ++line;
  }
  note_->setText(differences.empty()
                     ? tr("These runs have the same settings.")
                     : tr("%n settings differ.", nullptr, static_cast<int>(differences.size())));
}

}  // namespace luthier
