// SPDX-License-Identifier: GPL-3.0-or-later
// What is known of a model's picture towers without its weights, for what hangs among their
// patches: a capability of what summarize_model() gives as the model's cost. Plain data, no
// LibTorch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace luthier {

/// PatchPort::Facts of a tower.
struct TowerFacts {
  std::string entry;      ///< in-memory name of the module whose states tokens join
  std::string no_tokens;  ///< why tokens that are no patches have no place; empty: they have
  std::int64_t width = 0, blocks = 0;
};

class KnowsTowers {
 public:
  virtual ~KnowsTowers() = default;
  virtual std::vector<TowerFacts> towers() const = 0;
};

}  // namespace luthier
