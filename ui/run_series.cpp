// SPDX-License-Identifier: GPL-3.0-or-later
// Arithmetic of the curves.
#include "ui/run_series.h"

#include <QCoreApplication>
#include <algorithm>
#include <cmath>

#include "engine/runs/run_edits.h"
#include "ui/format.h"
#include "ui/messages.h"

namespace luthier {

std::vector<RunEvent> marked_events(const std::vector<RunEvent>& events) {
  std::vector<RunEvent> marked;
  for (const RunEvent& event : events)
    if (is_live_setting(event.kind) || event.kind == "alarm" || event.kind == "early_stop" ||
        event.kind == "best")
      marked.push_back(event);
  return marked;
}

std::vector<RunMark> marks_of(const std::vector<RunEvent>& events) {
  std::map<std::int64_t, RunMark> by_step;
  const auto add = [&](std::int64_t step, const QString& text, bool warns) {
    RunMark& mark = by_step[step];
    mark.step = step;
    mark.text += (mark.text.isEmpty() ? QString() : QStringLiteral(" · ")) + text;
    mark.warns = mark.warns || warns;
  };
  const RunEvent* best = nullptr;
  for (const RunEvent& event : events) {
    if (const auto edit = edit_of(event))
      add(event.step,
          field_label("training." + edit->setting) + QLatin1Char(' ') + number_text(edit->value, 5),
          false);
    else if (event.kind == "alarm" || event.kind == "early_stop")
      add(event.step, said_text(event.detail), event.kind == "alarm");
    else if (event.kind == "best")
      best = &event;
  }
  if (best) add(best->step, QCoreApplication::translate("event", "best"), false);
  std::vector<RunMark> marks;
  for (auto& [step, mark] : by_step) marks.push_back(std::move(mark));
  return marks;
}

void follow_live(const LiveRun& run, RunSeries& series) {
  const bool other = !series.lines.empty() && !run.lines.empty() &&
                     series.lines.front().step != run.lines.front().step;
  if (other || series.lines.size() > run.lines.size()) series.lines.clear();
  series.lines.insert(series.lines.end(),
                      run.lines.begin() + static_cast<std::ptrdiff_t>(series.lines.size()),
                      run.lines.end());
  series.evaluations = {run.evaluations.begin(), run.evaluations.end()};
  series.marked = marked_events(run.events);
  series.name = QString::fromStdString(run.started.folder.filename().string());
  series.steps_per_epoch = run.started.steps_per_epoch;
  series.forecast_total = run.started.forecast.parts.tensors();
}

QVector<double> places_on(const RunSeries& series, CurveAxis axis) {
  QVector<double> places;
  places.reserve(static_cast<qsizetype>(series.lines.size()));
  double seconds = 0, tokens = 0;
  std::int64_t step = 0;
  bool any = axis == CurveAxis::Steps;
  for (const MetricsLine& line : series.lines) {
    const double since = std::isfinite(line.step_seconds) ? line.step_seconds : 0;
    seconds += since * static_cast<double>(std::max<std::int64_t>(0, line.step - step));
    tokens = std::max(tokens, static_cast<double>(line.tokens));
    step = line.step;
    switch (axis) {
      case CurveAxis::Steps: places << static_cast<double>(line.step); break;
      case CurveAxis::Epochs: {
        const double before = places.isEmpty() ? 0 : places.last();
        places << (std::isfinite(line.epoch) ? std::max(before, line.epoch) : before);
        break;
      }
      case CurveAxis::Tokens: places << tokens; break;
      case CurveAxis::Time: places << seconds; break;
    }
    any = any || places.last() > 0;
  }
  return any ? places : QVector<double>();
}

double place_of_step(const RunSeries& series, const QVector<double>& places, std::int64_t step) {
  if (places.isEmpty()) return 0;
  const auto after = std::upper_bound(
      series.lines.begin(), series.lines.end(), step,
      [](std::int64_t wanted, const MetricsLine& line) { return wanted < line.step; });
  const auto i = static_cast<qsizetype>(after - series.lines.begin());
  return places[std::clamp<qsizetype>(i - 1, 0, places.size() - 1)];
}

std::vector<std::size_t> kept_points(const QVector<double>& y, int most) {
  std::vector<std::size_t> kept;
  const qsizetype count = y.size(), buckets = std::max(1, most / 2);
  if (count <= most) {
    for (qsizetype i = 0; i < count; ++i) kept.push_back(static_cast<std::size_t>(i));
    return kept;
  }
  for (qsizetype b = 0; b < buckets; ++b) {
    const qsizetype begin = b * count / buckets, end = (b + 1) * count / buckets;
    qsizetype low = begin, high = begin;
    for (qsizetype i = begin; i < end; ++i) {
      if (y[i] < y[low]) low = i;
      if (y[i] > y[high]) high = i;
    }
    kept.push_back(static_cast<std::size_t>(std::min(low, high)));
    if (low != high) kept.push_back(static_cast<std::size_t>(std::max(low, high)));
  }
  return kept;
}

Points thinned(const QVector<double>& x, const QVector<double>& y, int most) {
  Points points;
  const qsizetype count = std::min(x.size(), y.size());
  const qsizetype buckets = std::max(1, most / 2);
  const auto add = [&](qsizetype i) {
    points.x << x[i];
    points.y << y[i];
  };
  if (count <= most) {
    for (qsizetype i = 0; i < count; ++i)
      if (std::isfinite(y[i])) add(i);
    return points;
  }
  for (qsizetype b = 0; b < buckets; ++b) {
    const qsizetype begin = b * count / buckets, end = (b + 1) * count / buckets;
    qsizetype low = -1, high = -1;
    for (qsizetype i = begin; i < end; ++i) {
      if (!std::isfinite(y[i])) continue;
      if (low < 0 || y[i] < y[low]) low = i;
      if (high < 0 || y[i] > y[high]) high = i;
    }
    if (low < 0) continue;
    add(std::min(low, high));
    if (low != high) add(std::max(low, high));
  }
  return points;
}

QVector<double> smoothed(const QVector<double>& y, double weight) {
  QVector<double> result = y;
  double mean = 0, share = 0;
  for (double& value : result) {
    if (!std::isfinite(value)) continue;
    mean = weight * mean + (1 - weight) * value;
    share = weight * share + (1 - weight);
    value = share > 0 ? mean / share : value;
  }
  return result;
}

double percentile(QVector<double> values, double share) {
  values.erase(
      std::remove_if(values.begin(), values.end(), [](double v) { return !std::isfinite(v); }),
      values.end());
  if (values.isEmpty()) return 0;
  const auto at =
      static_cast<qsizetype>(std::floor(share * static_cast<double>(values.size() - 1)));
  std::nth_element(values.begin(), values.begin() + at, values.end());
  return values[at];
}

}  // namespace luthier
