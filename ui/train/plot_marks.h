// SPDX-License-Identifier: GPL-3.0-or-later
// Lines through a plot where something happened: a setting was changed, an alarm. With a word at
// their heads where there is room for it; the whole sentence is read with the mouse.
#pragma once

#include <QString>
#include <vector>

class QCPItemStraightLine;
class QCPItemText;
class QCustomPlot;

namespace luthier {

struct PlotMark {
  double x = 0;
  QString text;
  bool warns = false;
};

class PlotMarks {
 public:
  explicit PlotMarks(QCustomPlot* plot) : plot_(plot) {}

  /// `words`: whether their texts stand at their heads.
  void set(std::vector<PlotMark> marks, bool words);
  const std::vector<PlotMark>& marks() const { return marks_; }
  /// In the theme's colours.
  void restyle();

 private:
  QCustomPlot* plot_;
  bool words_ = false;
  std::vector<PlotMark> marks_;
  std::vector<QCPItemStraightLine*> lines_;
  std::vector<QCPItemText*> texts_;
};

}  // namespace luthier
