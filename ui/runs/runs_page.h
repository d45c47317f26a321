// SPDX-License-Identifier: GPL-3.0-or-later
// The Runs page: past runs in a table, over their curves laid over one another, with the settings
// that differ between them and what a person noted; the queue of runs to come; and what came of
// several, side by side.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "ui/page.h"

class QLineEdit;
class QPushButton;
class QStackedWidget;
class QTabBar;
class QTableView;
class QTimer;
class QToolButton;

namespace luthier {

class Banner;
class DifferencesView;
class EmptyState;
class NotesPanel;
class OutcomesView;
class QueuePanel;
class RunActions;
class RunCurves;
class RunListModel;
class RunOrder;
class RunViews;
struct RunRow;
struct RunSeries;

class RunsPage : public Page {
  Q_OBJECT

 public:
  explicit RunsPage(Workspace& workspace, QWidget* parent = nullptr);
  void entered() override;
  void set_folder(const QString& folder);
  void show_queue();

 private:
  QWidget* make_head();
  QWidget* make_search();
  QWidget* make_table();
  QWidget* make_below();
  void reload();
  void show_rows(std::vector<RunRow> rows);
  void show_ticked();
  void read_metrics(const std::filesystem::path& run);
  void show_drawn();
  void show_differences();
  void compare_ticked();
  void connect_actions();
  void rename_run_to(const std::filesystem::path& run, const QString& name);
  void tag_run(const std::filesystem::path& run, const QString& tags);
  /// By value: the list that the path is from may be filled anew meanwhile.
  void select_run(std::filesystem::path run);
  void show_outcomes();
  void retranslate_tabs();
  void refresh();
  /// Of the list, not as it is shown; -1: none.
  int current_row() const;
  const RunRow* current_run() const;

  Banner* banner_;
  QTabBar* tabs_;
  QStackedWidget* pages_;  ///< one a tab
  QLineEdit *folder_, *search_;
  QPushButton *compare_, *use_, *resume_;
  QToolButton *tree_, *verbs_;
  QStackedWidget* stack_;
  EmptyState* empty_;
  RunListModel* model_;
  RunOrder* order_;
  RunActions* actions_;
  QTableView* table_;
  RunViews* views_;
  RunCurves* curves_;  ///< among the views
  DifferencesView* differences_;
  NotesPanel* notes_;
  QueuePanel* queue_;
  OutcomesView* outcomes_;
  QTabBar* side_;
  std::filesystem::path wanted_;                     ///< to be selected once the list has it
  std::map<std::filesystem::path, RunSeries> read_;  ///< curves read so far
  std::set<std::filesystem::path> stale_;    ///< curves that have grown since they were read
  std::set<std::filesystem::path> reading_;  ///< curves that are being read
  QTimer* follow_;                           ///< while a listed run goes on and the page is seen
  int ticket_ = 0;
  bool first_ = true;
  bool fresh_ = true;  ///< nothing of this folder was shown yet
};

}  // namespace luthier
