// SPDX-License-Identifier: GPL-3.0-or-later
// An adapter's modules as a grid: layers down, kinds of modules across. Plain data.
#pragma once

#include <QString>
#include <QStringList>
#include <vector>

#include "engine/session/session.h"

namespace luthier {

struct HeatGrid {
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  QStringList rows;     ///< "language_model 3", or a module that is in no layer
  QStringList columns;  ///< "q_proj"
  /// [row][column]: a place in AdapterRanks::modules, or kNone.
  std::vector<std::vector<std::size_t>> modules;
};

HeatGrid heat_grid(const AdapterRanks& ranks);

/// "language_model 3 · q_proj" of "model.language_model.layers.3.self_attn.q_proj".
QString short_module_name(const std::string& module);
/// The mean of the modules' effective ranks; 0 without modules.
double mean_effective_rank(const AdapterRanks& ranks);

}  // namespace luthier
