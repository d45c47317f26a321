// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QLabel>
#include <functional>
#include <vector>

#include "ui/train/curve_plot.h"

namespace luthier {

/// Plots over one x axis: range and cross-line go together; a double click fits all.
class CurveGroup : public QObject {
  Q_OBJECT

 public:
  /// A place on the x axis where there is a point, and what it is called: "Step 120".
  struct Place {
    double x = 0;
    QString name;
  };

  /// `area` holds all plots; what is read out floats over it.
  explicit CurveGroup(QWidget* area);
  void add(CurvePlot* plot);
  /// The cross-line through all plots at x, without a mouse; false takes it away.
  void point_at(bool on, double x);
  /// Finds the place nearest to an x; without a name there is none.
  void set_places(std::function<Place(double)> nearest) { nearest_ = std::move(nearest); }
  /// New data has come: the view follows unless a person zoomed.
  void data_changed();
  void fit();

 signals:
  /// The mouse stands at this place of the x axis.
  void pointed(double x);

 private:
  void set_range(const QCPRange& range);
  void hover(CurvePlot* plot, double x, const QPoint& at);
  void leave();
  void read_out();

  QWidget* area_;
  QLabel* readout_;
  std::function<Place(double)> nearest_;
  std::vector<CurvePlot*> plots_;
  CurvePlot* hovered_ = nullptr;
  Place place_;
  QPoint mouse_;  ///< in the area's coordinates
  bool follows_ = true;
};

}  // namespace luthier
