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

struct RunSeries {
  QString name;
  std::vector<MetricsLine> lines;              ///< oldest first
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

/// At most about `most` points: of each bucket the lowest and the highest are kept, so that spikes
/// stay. Non-finite values are left out.
Points thinned(const QVector<double>& x, const QVector<double>& y, int most);
/// The places of at most about `most` points that are kept of curves which share their x: of each
/// bucket the lowest and the highest of `y`.
std::vector<std::size_t> kept_points(const QVector<double>& y, int most);
/// Exponential moving average, corrected for its start; `weight` 0 is the raw curve. Non-finite
/// values pass by.
QVector<double> smoothed(const QVector<double>& y, double weight);
/// The value below which `share` of the finite values lie.
double percentile(QVector<double> values, double share);

}  // namespace luthier
