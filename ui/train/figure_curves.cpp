// SPDX-License-Identifier: GPL-3.0-or-later
// Only names and numbers are known here.
#include "ui/train/figure_curves.h"

#include <algorithm>
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

std::set<std::string> figures_of(const RunSeries& run) {
  std::set<std::string> names;
  // Most lines have the names of the one before: of a long run only the others are looked at.
  const std::map<std::string, double>* before = nullptr;
  for (const MetricsLine& line : run.lines) {
    const auto same = [](const auto& left, const auto& right) { return left.first == right.first; };
    if (before && before->size() == line.figures.size() &&
        std::equal(before->begin(), before->end(), line.figures.begin(), same))
      continue;
    for (const auto& [name, value] : line.figures) names.insert(name);
    before = &line.figures;
  }
  return names;
}

}  // namespace

QStringList figure_groups(const std::vector<RunSeries>& series) {
  std::set<std::string> groups;
  for (const RunSeries& run : series)
    for (const std::string& name : figures_of(run)) groups.insert(group_of(name));
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
    for (const std::string& name : figures_of(run)) {
      if (group_of(name) != wanted) continue;
      Curve curve;
      curve.name = QString::fromStdString(name);
      if (series.size() > 1) curve.name = run.name + QStringLiteral(", ") + curve.name;
      if (name.starts_with(kOfEvaluation)) curve.mark = LegendEntry::Mark::Dot;
      for (std::size_t i = 0; i < run.lines.size(); ++i) {
        const MetricsLine& line = run.lines[i];
        const auto found = line.figures.find(name);
        if (found == line.figures.end() || !std::isfinite(found->second)) continue;
        curve.all_x << places[static_cast<qsizetype>(i)];
        curve.all_y << found->second;
      }
      curves.push_back(std::move(curve));
    }
  }
  return curves;
}

}  // namespace luthier
