// SPDX-License-Identifier: GPL-3.0-or-later
// What was set differently in several runs: the table of the Runs page, and the axes of its plot.
#pragma once

#include <QWidget>
#include <map>
#include <string>
#include <vector>

#include "ui/runs/run_list_model.h"

class QLabel;
class QTableWidget;

namespace luthier {

struct SettingDifference {
  std::string key;
  QString label;                    ///< as the form calls it
  std::vector<std::string> values;  ///< one a run; "–" where the run does not have the setting
};

/// In the order of their keys; all rows have recipes.
std::vector<SettingDifference> setting_differences(const std::vector<const RunRow*>& rows);

/// Of the values that are paths what tells them apart, which is their ends.
std::map<std::string, QString> value_tails(const std::vector<SettingDifference>& differences);

class DifferencesView : public QWidget {
  Q_OBJECT

 public:
  explicit DifferencesView(QWidget* parent = nullptr);
  void show_rows(const std::vector<const RunRow*>& rows);

 private:
  QTableWidget* table_;
  QLabel* note_;
};

}  // namespace luthier
