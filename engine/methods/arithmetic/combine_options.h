// SPDX-License-Identifier: GPL-3.0-or-later
// How adapters become one: what a person chooses, and what each of the ways takes. No LibTorch, so
// that a window can ask.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace luthier {

enum class MajoritySign { Total, Frequency };

struct CombineOptions {
  std::vector<double> weights;           ///< one for each adapter; below 0 takes away
  std::string combination_type = "svd";  ///< by PEFT's names
  std::optional<double> density;         ///< asked for where something is pruned
  MajoritySign majority = MajoritySign::Total;
  std::optional<std::int64_t> svd_rank;  ///< none: the largest of the adapters'
  std::uint64_t seed = 0;                ///< of what DARE leaves out
};

/// PEFT's names of the ways, in its order.
const std::vector<std::string>& combination_types();

/// What a way asks for besides weights.
struct CombinationNeeds {
  bool density = false;   ///< how much stays
  bool seed = false;      ///< what goes is drawn
  bool majority = false;  ///< signs are elected
  bool svd_rank = false;  ///< the result's rank is chosen
};
/// Nothing for an unknown name.
CombinationNeeds combination_needs(const std::string& type);

}  // namespace luthier
