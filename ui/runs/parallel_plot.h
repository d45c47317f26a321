// SPDX-License-Identifier: GPL-3.0-or-later
// Parallel coordinates: an axis each for what was set and for what came of it, a line across them
// for each run. The best line by the last axis is the strongest; the one under the mouse is named.
#pragma once

#include <QStringList>
#include <QWidget>
#include <vector>

namespace luthier {

struct ParallelAxis {
  QString name;
  QStringList values;           ///< one a line, as they are written; empty: it has none
  std::vector<double> numbers;  ///< the same as numbers; empty: the values are names
  bool outcome = false;         ///< what came of it, not what was set
  /// From 0 (below) to 1 for each line, or less than 0 where it has no value.
  std::vector<double> places() const;
};

class ParallelPlot : public QWidget {
  Q_OBJECT

 public:
  explicit ParallelPlot(QWidget* parent = nullptr);
  /// The last axis is what lines are judged by, smaller being better.
  void show_lines(const QStringList& names, std::vector<ParallelAxis> axes);
  void set_chosen(int line);
  /// Where a line crosses an axis, for who looks.
  QPointF point_of(int line, int axis) const;
  QSize minimumSizeHint() const override { return {240, 150}; }

 signals:
  void chosen(int line);

 protected:
  void paintEvent(QPaintEvent* event) override;
  void mouseMoveEvent(QMouseEvent* event) override;
  void mousePressEvent(QMouseEvent* event) override;
  void leaveEvent(QEvent* event) override;
  void keyPressEvent(QKeyEvent* event) override;

 private:
  QRectF frame() const;
  int line_at(const QPointF& at) const;
  /// From 0, the worst, to 1.
  double rank_of(int line) const;
  QString said(int line) const;

  QStringList names_;
  std::vector<ParallelAxis> axes_;
  std::vector<std::vector<double>> places_;
  int chosen_ = -1, hovered_ = -1;
};

}  // namespace luthier
