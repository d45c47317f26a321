// SPDX-License-Identifier: GPL-3.0-or-later
// How the rewards of a run are spread, on one axis of rewards: at the step that is shown as bars,
// and over all steps as columns that are the darker the more answers stand there, with their mean.
// A click, or an arrow key, chooses a step.
#pragma once

#include <QWidget>
#include <vector>

#include "ui/train/reward_spread.h"

namespace luthier {

class RewardPlot : public QWidget {
  Q_OBJECT

 public:
  explicit RewardPlot(QWidget* parent = nullptr);
  /// One a step, in their order, on this scale.
  void set_spreads(std::vector<RewardSpread> spreads, const RewardScale& scale);
  /// The place of the step that is shown.
  void set_shown(std::size_t place);
  /// Where the column of that step is.
  QRect column_of(std::size_t place) const;
  QSize sizeHint() const override { return {480, 156}; }
  QSize minimumSizeHint() const override { return {240, 132}; }

 signals:
  void chosen(std::size_t place);

 protected:
  void paintEvent(QPaintEvent* event) override;
  void resizeEvent(QResizeEvent* event) override;
  void mouseMoveEvent(QMouseEvent* event) override;
  void mousePressEvent(QMouseEvent* event) override;
  void keyPressEvent(QKeyEvent* event) override;

 private:
  QRect bars() const;  ///< where the shown step's bars are
  QRect run() const;   ///< where all steps are
  void join();
  double column_width() const;
  double y_of(double reward) const;
  void paint_axis(QPainter& p) const;
  void paint_bars(QPainter& p) const;
  void paint_run(QPainter& p) const;
  /// The column under the mouse; of none: past the end.
  std::size_t column_at(const QPoint& at) const;
  void show_tip(const QPoint& at, const QPoint& on_screen);

  std::vector<RewardSpread> spreads_, columns_;
  RewardScale scale_;
  std::size_t shown_ = 0;
};

}  // namespace luthier
