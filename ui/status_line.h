// SPDX-License-Identifier: GPL-3.0-or-later
// The bottom line: device, memory now and at its peak, tokens a second, and long work with its
// progress and a way to cancel it.
#pragma once

#include <QTimer>
#include <QWidget>

#include "ui/workspace.h"

class QLabel;
class QProgressBar;
class QToolButton;

namespace luthier {

class StatusLine : public QWidget {
  Q_OBJECT

 public:
  explicit StatusLine(Workspace& workspace, QWidget* parent = nullptr);

 protected:
  void paintEvent(QPaintEvent* event) override;

 private:
  void refresh();
  /// Of the run that trains, or of the last one as long as its model is the loaded one; null: none.
  const MetricsLine* newest_line() const;
  void show_progress(const Progress& event);
  void hide_progress();
  void show_held();

  Workspace& workspace_;
  QLabel* device_;
  QLabel* held_;  ///< memory while no run tells of it
  QLabel* memory_;
  QLabel* speed_;
  QLabel* queue_;  ///< runs that wait
  QLabel* work_;
  QProgressBar* bar_;
  QToolButton* cancel_;
  RequestId request_ = 0;
  QTimer look_;
};

}  // namespace luthier
