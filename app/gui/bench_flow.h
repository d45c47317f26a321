// SPDX-License-Identifier: GPL-3.0-or-later
// What `luthier bench` has the real window do while it measures how long the event loop is held: a
// comparison, a long run, a large dataset. A JSON document says which and on what:
//   {"flow": "compare", "model", "adapters": […], "samples", "count", "max_new_tokens"}
//   {"flow": "long_run", "runs", "short", "long": […], "steps"}
//   {"flow": "rows", "recipe", "rows", "search", "found", "longest"}
//   {"flow": "findings", "recipe", "rows", "other"}
// Whatever the window does not come to is an error: a figure of a flow that did not happen is none.
#pragma once

#include <QString>
#include <string>
#include <vector>

#include "app/gui/flow_hands.h"

class QTableView;
class QTableWidget;

namespace luthier {

class CurvePlot;
class MainWindow;

class BenchFlow {
 public:
  explicit BenchFlow(MainWindow& window);
  /// Reads what is wanted from `file`, does it, and writes {"flow", "phases", …} to `out`, as far
  /// as it came.
  Status run(const QString& file, const QString& out);

 private:
  Status compare();
  Status answer_all();
  Status long_run();
  Status show_long_runs();
  Status follow_long_run();
  /// Zooms in and out, goes along, and points.
  Status walk_over(CurvePlot* plot);
  Status rows();
  Status look_through(QTableView* table);
  Status findings();
  Status filter_findings(QTableView* table, int total);
  Status edit_findings(QTableWidget* listed, int findings);
  std::string text(const char* key) const;
  std::int64_t number(const char* key) const;
  std::vector<std::string> texts(const char* key) const;

  MainWindow& window_;
  FlowHands hands_;
  Json wanted_, found_ = Json::object();
};

}  // namespace luthier
