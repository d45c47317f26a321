// SPDX-License-Identifier: GPL-3.0-or-later
// The top line: what is loaded, where the run stands (step, time, ETA), and the one main button
// that its state allows, with Stop and Save now beside it, and Cancel while a model loads.
#pragma once

#include <QElapsedTimer>
#include <QWidget>

#include "ui/workspace.h"

class QLabel;
class QPushButton;
class QToolButton;

namespace luthier {

class RunHeader : public QWidget {
  Q_OBJECT

 public:
  explicit RunHeader(Workspace& workspace, QWidget* parent = nullptr);

 signals:
  /// The main button asks for a launch; the window shows the Train page with it.
  void launch_asked();
  /// Stop was pressed; the window asks what shall become of the run.
  void stop_asked();

 protected:
  void paintEvent(QPaintEvent* event) override;

 private:
  void refresh();
  void main_clicked();

  Workspace& workspace_;
  QLabel* loaded_;
  QLabel* dot_;
  QLabel* state_;
  QLabel* progress_;
  QPushButton* main_;
  QPushButton* stop_;
  QPushButton* cancel_;
  QToolButton* save_;
};

}  // namespace luthier
