// SPDX-License-Identifier: GPL-3.0-or-later
// The Train page: settings with their forecast on the left, the run's curves on the right. The
// settings stay in sight while a run trains; what may be changed live has its own line below them.
#pragma once

#include <QTimer>
#include <filesystem>

#include "ui/page.h"

class QSplitter;
class QTabWidget;

namespace luthier {

class Banner;
class LiveSettings;
class RunCurves;
class RunViews;

class TrainPage : public Page {
  Q_OBJECT

 public:
  explicit TrainPage(Workspace& workspace, QWidget* parent = nullptr);

 private:
  QWidget* make_settings();
  QWidget* make_run();
  QWidget* make_live_line();
  void refresh();
  void follow_run();
  void start_run();
  void end_run(const RunEnded& event);
  void show_line(const LineChanged& event);
  void refuse(const Error& error);

  Banner* banner_;
  QSplitter* splitter_;
  RunViews* views_;
  RunCurves* curves_;  ///< among the views
  QTabWidget* tabs_;
  LiveSettings* live_;
  std::filesystem::path
      run_model_;  ///< the folder of the model that the message about the run's end is about
  bool refused_setting_ = false;  ///< what a launch was refused for is a setting, and not the model
};

}  // namespace luthier
