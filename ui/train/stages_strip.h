// SPDX-License-Identifier: GPL-3.0-or-later
// The stages of a recipe or a run in a row above the curves: which there are, which has run, which
// runs. A click shows a stage's settings in the form; another what the run knows of every task
// after every task (runs/task_table), where its recipe has asked for that.
#pragma once

#include <QWidget>
#include <vector>

class QHBoxLayout;
class QPushButton;

namespace luthier {

class Workspace;

class StagesStrip : public QWidget {
  Q_OBJECT

 public:
  explicit StagesStrip(Workspace& workspace, QWidget* parent = nullptr);

 private:
  void refresh();
  void show_tasks();

  Workspace& workspace_;
  QHBoxLayout* row_;
  std::vector<QPushButton*> stages_;
  QPushButton* tasks_;
};

}  // namespace luthier
