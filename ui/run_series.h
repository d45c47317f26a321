// SPDX-License-Identifier: GPL-3.0-or-later
// A run as curves: the live one and the reopened ones alike. Also what drawing needs: thinning that
// keeps peaks, the moving average and percentiles, all plain functions on vectors.
#pragma once

#include <QString>
#include <QVector>
#include <map>
#include <vector>

#include "engine/runs/run_folder.h"
#include "ui/workspace.h"

namespace luthier {

/// What happened at a step and is worth a line through the curves.
struct RunMark {
  std::int64_t step = 0;
  QString text;
  bool warns = false;
};
/// Settings that were changed by hand, alarms, the newest best evaluation and an early stop; those
/// of one step are one.
std::vector<RunMark> marks_of(const std::vector<RunEvent>& events);
/// The events that it marks; on any thread.
std::vector<RunEvent> marked_events(const std::vector<RunEvent>& events);

/// The logged lines of a run, oldest first, a column each. Columns are shared between copies, so
/// that a run of any length is handed on at once and a curve is a column as it stands. Whole
/// numbers are exact up to 2^53.
struct RunLines {
  /// What an objective tells besides, where it does: which lines, and its values there.
  struct Figure {
    QVector<qsizetype> at;
    QVector<double> values;
  };

  QVector<double> step, epoch, loss, grad_norm, learning_rate, tokens, tokens_per_second,
      step_seconds;
  QVector<double> weights, adapter, gradients, optimizer, activations, allocated, peak;  ///< bytes
  std::map<std::string, Figure> figures;

  bool empty() const { return step.isEmpty(); }
  std::size_t size() const { return static_cast<std::size_t>(step.size()); }
  void push_back(const MetricsLine& line);
};

struct RunSeries {
  QString name;
  RunLines lines;
  std::map<std::int64_t, double> evaluations;  ///< step → evaluation loss
  std::vector<RunEvent> marked;                ///< of its events those that marks_of() marks
  double steps_per_epoch = 0;
  std::int64_t forecast_total = 0;  ///< bytes; 0: none known
};

/// What the curves' common axis counts.
enum class CurveAxis { Steps, Epochs, Tokens, Time };

/// The place of each line of a series; empty where the run has not logged what the axis counts.
/// Time: seconds spent in steps, without what came between them.
QVector<double> places_on(const RunSeries& series, CurveAxis axis);
/// The place of a step among those of its series, on from the nearest line before it.
double place_of_step(const RunSeries& series, const QVector<double>& places, std::int64_t step);

/// The live run's series, grown in place: only what is new is copied.
void follow_live(const LiveRun& run, RunSeries& series);

struct Points {
  QVector<double> x, y;
};

/// What is drawn of a curve between two places of its x axis, which ascends.
struct CurveView {
  double lower = 0, upper = 0;
  int columns = 1;  ///< parts of equal width, of some pixels each
};

/// The places of the points that are kept of `y`: where there are more than two a column, the
/// lowest and the highest of each, so that no spike is lost; and one at either side of the view,
/// which the lines go to. Non-finite values are left out.
std::vector<qsizetype> kept_points(const QVector<double>& x, const QVector<double>& y,
                                   const CurveView& view);
Points thinned(const QVector<double>& x, const QVector<double>& y, const CurveView& view);
/// Exponential moving average, corrected for its start; `weight` 0 is the raw curve. Non-finite
/// values pass by.
QVector<double> smoothed(const QVector<double>& y, double weight);
/// The value below which `share` of the finite values lie.
double percentile(QVector<double> values, double share);

}  // namespace luthier
