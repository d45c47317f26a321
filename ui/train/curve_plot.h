// SPDX-License-Identifier: GPL-3.0-or-later
// One plot of the instrument: a QCustomPlot in our theme with a title, a legend that shows values, a cross-line and horizontal
// drag and zoom. Several share one x axis through CurveGroup.
#pragma once

#include <QWidget>
#include <vector>

#include <qcustomplot.h>

#include "ui/widgets/legend.h"

class QHBoxLayout;
class QLabel;

namespace luthier {

/// One curve to draw; x ascends.
struct Curve {
  QString name;
  QColor colour;
  QVector<double> x, y;
  double width = 2;
  LegendEntry::Mark mark = LegendEntry::Mark::Line;   ///< Block: filled down to the curve before (stacked)
  bool in_legend = true;
  int digits = 4;
  /// What the legend says instead of y (a stacked curve says its own part); empty: y.
  QVector<double> values;
};

class CurvePlot : public QWidget {
  Q_OBJECT

 public:
  CurvePlot(const QString& name, QWidget* parent = nullptr);

  void set_title(const QString& title);
  QHBoxLayout* head() const { return head_; }
  /// For small plots: the legend is one line of values beside the title.
  void set_compact();
  void set_log(bool log);
  /// `from_zero`: the y axis starts at 0.
  void set_scale(bool from_zero);
  /// Cuts the y axis at this value; 0: no cut.
  void set_ceiling(double ceiling) { ceiling_ = ceiling; }
  void set_curves(std::vector<Curve> curves);

  void set_x_range(const QCPRange& range);
  /// First and last x of all curves.
  QCPRange data_range() const;
  bool has_data() const;
  /// Shows the cross-line at x and the values there; hides it when `on` is false.
  void set_cursor(bool on, double x);
  QCustomPlot* plot() const { return plot_; }
  /// Draws soon; several calls in one turn of the event loop draw once.
  void redraw();
  void draw_soon();

 signals:
  void x_range_changed(const QCPRange& range);
  void hovered(bool on, double x);
  void fit_asked();

 protected:
  void paintEvent(QPaintEvent* event) override;
  bool eventFilter(QObject* watched, QEvent* event) override;

 private:
  void restyle();
  void fit_y();
  void refresh_legend();
  void sync_graphs();

  QLabel* title_;
  QHBoxLayout* head_;
  Legend* legend_;
  QCustomPlot* plot_;
  QCPItemStraightLine* cursor_;
  std::vector<Curve> curves_;
  bool log_ = false, from_zero_ = false, cursor_on_ = false, setting_range_ = false, compact_ = false;
  double ceiling_ = 0, cursor_x_ = 0;
};

/// Plots over one x axis: range and cross-line go together; a double click fits all.
class CurveGroup : public QObject {
  Q_OBJECT

 public:
  explicit CurveGroup(QObject* parent = nullptr) : QObject(parent) {}
  void add(CurvePlot* plot);
  /// New data has come: the view follows unless a person zoomed.
  void data_changed();
  void fit();
  const std::vector<CurvePlot*>& plots() const { return plots_; }

 private:
  void set_range(const QCPRange& range);
  std::vector<CurvePlot*> plots_;
  bool follows_ = true;
};

}  // namespace luthier
