// SPDX-License-Identifier: GPL-3.0-or-later
// The Runs page: past runs in a table, over their curves laid over one another, with the settings
// that differ between them.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "ui/page.h"

class QLabel;
class QLineEdit;
class QPushButton;
class QStackedWidget;
class QTableView;
class QTableWidget;
class QTimer;
class QToolButton;

namespace luthier {

class Banner;
class EmptyState;
class RunCurves;
class RunListModel;
class RunViews;
struct RunRow;
struct RunSeries;

class RunsPage : public Page {
  Q_OBJECT

 public:
  explicit RunsPage(Workspace& workspace, QWidget* parent = nullptr);
  void entered() override;
  void set_folder(const QString& folder);

 private:
  QWidget* make_head();
  QWidget* make_table();
  QWidget* make_below();
  void reload();
  void show_rows(std::vector<RunRow> rows);
  void show_ticked();
  void read_metrics(const std::filesystem::path& run);
  void show_drawn();
  void show_differences();
  void compare_ticked();
  void export_current();
  void refresh();
  int current_row() const;

  Banner* banner_;
  QLineEdit* folder_;
  QPushButton *compare_, *use_, *resume_;
  QToolButton *export_, *chat_;
  QStackedWidget* stack_;
  EmptyState* empty_;
  RunListModel* model_;
  QTableView* table_;
  RunViews* views_;
  RunCurves* curves_;  ///< among the views
  QTableWidget* differences_;
  QLabel* differences_note_;
  std::map<std::filesystem::path, RunSeries> read_;  ///< curves read so far
  std::set<std::filesystem::path> stale_;  ///< curves that have grown since they were read
  QTimer* follow_;                         ///< while a listed run goes on and the page is seen
  int ticket_ = 0;
  bool first_ = true;
  bool fresh_ = true;  ///< nothing of this folder was shown yet
};

}  // namespace luthier
