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

namespace {

/// Figures come in the order of their names, line for line nearly the same ones: both lists are
/// walked along each other.
void add_figures(std::map<std::string, RunLines::Figure>& all,
                 const std::map<std::string, double>& told, qsizetype line) {
  auto column = all.begin();
  for (const auto& [name, value] : told) {
    while (column != all.end() && column->first < name) ++column;
    if (column == all.end() || column->first != name)
      column = all.emplace_hint(column, name, RunLines::Figure());
    column->second.at << line;
    column->second.values << value;
  }
}

}  // namespace

void RunLines::push_back(const MetricsLine& line) {
  add_figures(figures, line.figures, step.size());
  const MetricsMemory& memory = line.memory;
  const std::pair<QVector<double>*, double> columns[] = {
      {&epoch, line.epoch},
      {&loss, line.loss},
      {&grad_norm, line.grad_norm},
      {&learning_rate, line.learning_rate},
      {&tokens, static_cast<double>(line.tokens)},
      {&tokens_per_second, line.tokens_per_second},
      {&step_seconds, line.step_seconds},
      {&weights, static_cast<double>(memory.weights)},
      {&adapter, static_cast<double>(memory.adapter)},
      {&gradients, static_cast<double>(memory.gradients)},
      {&optimizer, static_cast<double>(memory.optimizer)},
      {&activations, static_cast<double>(memory.activations)},
      {&allocated, static_cast<double>(memory.allocated)},
      {&peak, static_cast<double>(memory.peak)},
      {&step, static_cast<double>(line.step)}};
  for (const auto& [column, value] : columns) *column << value;
}

void follow_live(const LiveRun& run, RunSeries& series) {
  const bool other = !series.lines.empty() && !run.lines.empty() &&
                     series.lines.step.first() != static_cast<double>(run.lines.front().step);
  if (other || series.lines.size() > run.lines.size()) series.lines = {};
  for (std::size_t i = series.lines.size(); i < run.lines.size(); ++i)
    series.lines.push_back(run.lines[i]);
  series.evaluations = {run.evaluations.begin(), run.evaluations.end()};
  series.marked = marked_events(run.events);
  series.name = QString::fromStdString(run.started.folder.filename().string());
  series.steps_per_epoch = run.started.steps_per_epoch;
  series.forecast_total = run.started.forecast.parts.tensors();
}

QVector<double> places_on(const RunSeries& series, CurveAxis axis) {
  const RunLines& lines = series.lines;
  if (axis == CurveAxis::Steps) return lines.step;
  QVector<double> places;
  places.reserve(lines.step.size());
  double place = 0, step = 0;
  for (qsizetype i = 0; i < lines.step.size(); ++i) {
    switch (axis) {
      case CurveAxis::Steps: break;
      case CurveAxis::Epochs:
        if (std::isfinite(lines.epoch[i])) place = std::max(place, lines.epoch[i]);
        break;
      case CurveAxis::Tokens: place = std::max(place, lines.tokens[i]); break;
      case CurveAxis::Time:
        if (std::isfinite(lines.step_seconds[i]))
          place += lines.step_seconds[i] * std::max(0.0, lines.step[i] - step);
        break;
    }
    step = lines.step[i];
    places << place;
  }
  return place > 0 ? places : QVector<double>();
}

double place_of_step(const RunSeries& series, const QVector<double>& places, std::int64_t step) {
  if (places.isEmpty()) return 0;
  const QVector<double>& steps = series.lines.step;
  const auto after = std::upper_bound(steps.begin(), steps.end(), static_cast<double>(step));
  return places[std::clamp<qsizetype>(after - steps.begin() - 1, 0, places.size() - 1)];
}

std::vector<qsizetype> kept_points(const QVector<double>& x, const QVector<double>& y,
                                   const CurveView& view) {
  std::vector<qsizetype> kept;
  const auto end_of_both = x.begin() + std::min(x.size(), y.size());
  auto first = std::lower_bound(x.begin(), end_of_both, view.lower);
  auto last = std::upper_bound(first, end_of_both, view.upper);
  if (first != x.begin()) --first;
  if (last != end_of_both) ++last;
  const qsizetype begin = first - x.begin(), end = last - x.begin();
  const int columns = std::max(1, view.columns);
  if (end - begin <= 2 * columns) {
    for (qsizetype i = begin; i < end; ++i)
      if (std::isfinite(y[i])) kept.push_back(i);
    return kept;
  }
  const double width = (view.upper - view.lower) / columns;
  for (qsizetype at = begin; at < end;) {
    // What lies beside the view are columns of their own.
    const double column = width > 0 ? std::floor((x[at] - view.lower) / width) : 0;
    const double border = view.lower + (column + 1) * width;
    qsizetype low = -1, high = -1, i = at;
    do {
      if (!std::isfinite(y[i])) continue;
      if (low < 0 || y[i] < y[low]) low = i;
      if (high < 0 || y[i] > y[high]) high = i;
    } while (++i < end && (width <= 0 || x[i] < border));
    at = i;
    if (low < 0) continue;
    kept.push_back(std::min(low, high));
    if (low != high) kept.push_back(std::max(low, high));
  }
  return kept;
}

Points thinned(const QVector<double>& x, const QVector<double>& y, const CurveView& view) {
  Points points;
  for (const qsizetype at : kept_points(x, y, view)) {
    points.x << x[at];
    points.y << y[at];
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
