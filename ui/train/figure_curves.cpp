// SPDX-License-Identifier: GPL-3.0-or-later
// Only names and numbers are known here.
#include "ui/train/figure_curves.h"

#include <cmath>
#include <set>
#include <string>

namespace luthier {

namespace {

constexpr std::string_view kOfEvaluation = "eval_";

std::string group_of(const std::string& figure) {
  const std::string name =
      figure.starts_with(kOfEvaluation) ? figure.substr(kOfEvaluation.size()) : figure;
  return name.substr(0, name.find('/'));
}

}  // namespace

QStringList figure_groups(const std::vector<RunSeries>& series) {
  std::set<std::string> groups;
  for (const RunSeries& run : series)
    for (const auto& [name, figure] : run.lines.figures) groups.insert(group_of(name));
  QStringList names;
  for (const std::string& group : groups) names << QString::fromStdString(group);
  return names;
}

std::vector<Curve> figure_curves(const std::vector<RunSeries>& series, const QString& group,
                                 CurveAxis axis) {
  std::vector<Curve> curves;
  const std::string wanted = group.toStdString();
  for (const RunSeries& run : series) {
    const QVector<double> places = places_on(run, axis);
    if (places.isEmpty()) continue;
    for (const auto& [name, figure] : run.lines.figures) {
      if (group_of(name) != wanted) continue;
      Curve curve;
      curve.name = QString::fromStdString(name);
      if (series.size() > 1) curve.name = run.name + QStringLiteral(", ") + curve.name;
      if (name.starts_with(kOfEvaluation)) curve.mark = LegendEntry::Mark::Dot;
      for (qsizetype i = 0; i < figure.at.size(); ++i) {
        if (!std::isfinite(figure.values[i])) continue;
        curve.all_x << places[figure.at[i]];
        curve.all_y << figure.values[i];
      }
      curves.push_back(std::move(curve));
    }
  }
  return curves;
}

}  // namespace luthier
