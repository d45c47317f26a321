// SPDX-License-Identifier: GPL-3.0-or-later
// The Train page: settings with their forecast on the left, the run's curves on the right. The settings stay in sight while a run trains;
// what may be changed live has its own line above them.
#pragma once

#include <QTimer>

#include "ui/page.h"

class QLineEdit;
class QPushButton;
class QSplitter;
class QTabWidget;

namespace luthier {

class Banner;
class RunCurves;

class TrainPage : public Page {
  Q_OBJECT

 public:
  explicit TrainPage(Workspace& workspace, QWidget* parent = nullptr);

 private:
  QWidget* make_settings();
  QWidget* make_run();
  QWidget* make_live_line();
  void apply_rate();
  void refresh();
  void follow_run();
  void refuse(const Error& error);

  Banner* banner_;
  QSplitter* splitter_;
  RunCurves* curves_;
  QTabWidget* tabs_;
  QWidget* live_;
  QLineEdit* rate_;
  QPushButton* apply_rate_;
};

}  // namespace luthier
