// SPDX-License-Identifier: GPL-3.0-or-later
// One plot of the instrument: a QCustomPlot in our theme with a title, a legend that shows values,
// a cross-line and horizontal drag and zoom. Several share one x axis through CurveGroup, which
// says at the mouse which step it stands on.
#pragma once

#include <QWidget>
#include <functional>
#include <vector>

#include <qcustomplot.h>

#include "ui/run_series.h"
#include "ui/train/plot_marks.h"
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
  LegendEntry::Mark mark =
      LegendEntry::Mark::Line;  ///< Block: filled down to the curve before (stacked)
  bool in_legend = true;
  int digits = 4;
  /// Every point of what is thinned for drawing, so that what the mouse reads is exact; x and y are
  /// filled from them here. Of a stacked curve its own part. Empty: x and y are drawn as they are.
  QVector<double> all_x, all_y;
};

/// A value that stands under the cross-line, for reading it out.
struct CurveReading {
  QString name, value;
  QColor colour;
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
  /// x counts things: its ticks are whole numbers.
  void set_counted();
  /// x counts seconds: its ticks are read as times.
  void set_timed(bool timed);
  /// `from_zero`: the y axis starts at 0.
  void set_scale(bool from_zero);
  /// Cuts the y axis at this value; 0: no cut.
  void set_ceiling(double ceiling) { ceiling_ = ceiling; }
  void set_curves(std::vector<Curve> curves);
  /// Where something happened; it is read out beside the values there.
  void set_marks(std::vector<PlotMark> marks, bool words);
  const std::vector<PlotMark>& marks() const { return marks_.marks(); }

  void set_x_range(const QCPRange& range);
  /// First and last x of all curves.
  QCPRange data_range() const;
  bool has_data() const;
  /// Shows the cross-line at x and the values there; hides it when `on` is false.
  void set_cursor(bool on, double x);
  /// Each named curve with its value at x; of one that has no point there the nearest, with the
  /// place where that is.
  std::vector<CurveReading> readings_at(double x) const;
  QCustomPlot* plot() const { return plot_; }
  /// Draws what is seen anew, and soon; several calls in one turn of the event loop draw once.
  void redraw();
  void draw_soon();

 signals:
  void x_range_changed(const QCPRange& range);
  /// `at`: the mouse, in the plot's own coordinates.
  void hovered(bool on, double x, const QPoint& at);
  void fit_asked();

 protected:
  void paintEvent(QPaintEvent* event) override;
  bool eventFilter(QObject* watched, QEvent* event) override;

 private:
  void restyle();
  void fit_y();
  /// Of what is seen, so that zooming in shows what thinning had left out.
  void thin_to_view();
  void take_what_is_seen();
  /// Curves that lie on one another share their x: all keep the places where their sum is lowest
  /// and highest.
  void take_stack(const CurveView& view);
  CurveView view() const;
  void refresh_legend();
  void sync_graphs();

  QLabel* title_;
  QHBoxLayout* head_;
  Legend* legend_;
  QCustomPlot* plot_;
  QCPItemStraightLine* cursor_;
  PlotMarks marks_;
  std::vector<Curve> curves_;
  bool log_ = false, from_zero_ = false, cursor_on_ = false, setting_range_ = false,
       compact_ = false;
  double ceiling_ = 0, cursor_x_ = 0;
};

}  // namespace luthier
