// SPDX-License-Identifier: GPL-3.0-or-later
// What of its rank an adapter uses: the singular values of each module's change scale·B·A (of
// AdaLoRA: scale·B·diag(E)·A), and what follows from them. A rank of which half the values are near
// nothing could have been smaller; an even spectrum up to the last value could have used more. No
// base is needed, and no LibTorch here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/json.h"

namespace luthier {

struct ModuleRanks {
  std::string name;
  std::int64_t rank = 0;            ///< of the pair
  std::vector<std::int64_t> shape;  ///< of the change: [out, in]
  std::vector<double> values;       ///< singular values, from the largest down
  double norm = 0;                  ///< Frobenius: the root of the sum of their squares
  double effective = 0;  ///< exp of the entropy of the values' shares (Roy & Vetterli 2007); 0: no
                         ///< change
  double stable = 0;     ///< norm² over the largest value's square
  std::int64_t holding = 0;  ///< how many values hold 99 % of norm²
};
/// The modules of one layer together ("model.language_model.layers.3"), or one that is in none.
struct LayerChange {
  std::string name;
  double norm = 0;
  std::int64_t modules = 0;
};
struct AdapterRanks {
  std::string method;
  std::vector<ModuleRanks> modules;  ///< layers in the order of their numbers
  std::vector<LayerChange> layers;
  double norm = 0;  ///< of all changes
};
Json to_json(const AdapterRanks& ranks);

/// What follows from the values; `norm` and so on are filled in.
ModuleRanks ranks_of_values(std::string name, std::vector<double> values);

/// Of a PEFT folder. An Input error for a method whose files hold no pairs.
Result<AdapterRanks> adapter_ranks(const std::filesystem::path& folder);

}  // namespace luthier
