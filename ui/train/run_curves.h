// SPDX-License-Identifier: GPL-3.0-or-later
// The curves of one run, or of several laid over one another: loss, what its objective tells
// besides, memory by part under its forecast, learning rate, gradient norm and tokens a second, on
// one x axis. Draws at most twice a second and a bounded number of points.
#pragma once

#include <QElapsedTimer>
#include <QTimer>
#include <QWidget>
#include <vector>

#include "ui/run_series.h"
#include "ui/train/curve_group.h"

class QCheckBox;
class QComboBox;
class QLabel;
class QSlider;
class QSplitter;
class QToolButton;

namespace luthier {

class RunCurves : public QWidget {
  Q_OBJECT

 public:
  explicit RunCurves(QWidget* parent = nullptr);

  /// The series to draw; the vector may be changed in place, then call changed().
  std::vector<RunSeries>& series() { return series_; }
  void changed();
  void looks_changed();
  /// Below this height the small plots stand back, so that the loss can be read.
  void set_room_for_small(int height, int behind = 0);
  /// A person may drag the borders between plots; more widgets can go below.
  QSplitter* splitter() const { return splitter_; }
  /// Rate, norm and speed are shown also where there is no room for them beside an objective's
  /// figures, which stand back then.
  void show_small(bool first);
  /// The cross-line at this step of the first run, as the mouse would have it; below 0: none.
  void point_at_step(std::int64_t step);

 signals:
  /// The mouse stands at a logged step of the first run.
  void step_pointed(std::int64_t step);
  /// What there is has been drawn.
  void drawn();

 protected:
  void showEvent(QShowEvent* event) override;
  void resizeEvent(QResizeEvent* event) override;

 private:
  void make_controls();
  void rebuild();
  void draw_loss();
  void draw_memory();
  void share_heights();
  void name_memory();
  int height_behind() const;
  bool has_room_for_small() const;
  void draw_figures();
  void draw_marks();
  void draw_small(CurvePlot* plot, QVector<double> RunLines::*column, int digits);
  CurveAxis axis() const;
  /// The logged step nearest to a place on the x axis, of all runs.
  CurveGroup::Place place_at(double x) const;
  QColor colour_of(std::size_t index) const;
  void export_png();
  void export_csv();

  std::vector<RunSeries> series_;
  std::vector<RunSeries> drawn_;         ///< as they stood when the drawing began
  std::vector<QVector<double>> places_;  ///< of each line of those; empty: not on this axis
  QSplitter* splitter_;
  QWidget* small_;  ///< rate, norm and speed
  CurveGroup* group_;
  CurvePlot *loss_, *figures_, *memory_, *rate_, *norm_, *speed_;
  QComboBox *axis_, *figure_group_;
  QCheckBox *log_, *clip_;
  QLabel* ema_label_;
  QSlider* ema_;
  QToolButton* export_;
  QTimer timer_;
  QElapsedTimer since_drawn_;
  bool dirty_ = false, small_first_ = false, memory_in_gib_ = false;
  int room_for_small_ = 0, behind_ = 0, ticket_ = 0;
};

}  // namespace luthier
