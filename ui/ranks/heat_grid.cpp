// SPDX-License-Identifier: GPL-3.0-or-later
// A layer is what stands before the first number in a module's name that stands alone.
#include "ui/ranks/heat_grid.h"

#include <algorithm>

namespace luthier {

namespace {

struct Place {
  QString row, column;
};

/// What a group of layers is called: the last word before "layers", "blocks", "layer", …
QString group_name(const QStringList& before) {
  static const QStringList plain{QStringLiteral("layers"),  QStringLiteral("layer"),
                                 QStringLiteral("blocks"),  QStringLiteral("block"),
                                 QStringLiteral("encoder"), QStringLiteral("model"),
                                 QStringLiteral("h")};
  for (auto word = before.rbegin(); word != before.rend(); ++word)
    if (!plain.contains(*word)) return *word;
  return before.isEmpty() ? QString() : before.last();
}

Place place_of(const std::string& module) {
  const QStringList words = QString::fromStdString(module).split(QLatin1Char('.'));
  for (qsizetype i = 0; i < words.size(); ++i) {
    bool number = false;
    words[i].toInt(&number);
    if (!number) continue;
    const QString group = group_name(words.mid(0, i));
    const QString row = group.isEmpty() ? words[i] : group + QLatin1Char(' ') + words[i];
    return {row, i + 1 < words.size() ? words.last() : QString()};
  }
  return {words.size() > 1 ? group_name(words.mid(0, words.size() - 1)) : QString(), words.last()};
}

}  // namespace

QString short_module_name(const std::string& module) {
  const Place place = place_of(module);
  if (place.row.isEmpty()) return place.column;
  return place.column.isEmpty() ? place.row : place.row + QStringLiteral(" · ") + place.column;
}

double mean_effective_rank(const AdapterRanks& ranks) {
  double sum = 0;
  for (const ModuleRanks& module : ranks.modules) sum += module.effective;
  return ranks.modules.empty() ? 0 : sum / static_cast<double>(ranks.modules.size());
}

HeatGrid heat_grid(const AdapterRanks& ranks) {
  HeatGrid grid;
  const auto index = [](QStringList& names, const QString& name) {
    if (!names.contains(name)) names << name;
    return static_cast<std::size_t>(names.indexOf(name));
  };
  std::vector<std::pair<std::size_t, std::size_t>> places;
  for (const ModuleRanks& module : ranks.modules) {
    const Place place = place_of(module.name);
    const std::size_t row = index(grid.rows, place.row);
    places.emplace_back(row, index(grid.columns, place.column));
  }
  grid.modules.assign(
      static_cast<std::size_t>(grid.rows.size()),
      std::vector<std::size_t>(static_cast<std::size_t>(grid.columns.size()), HeatGrid::kNone));
  for (std::size_t i = 0; i < places.size(); ++i)
    grid.modules[places[i].first][places[i].second] = i;
  return grid;
}

}  // namespace luthier
