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

/// Where tokens or keys of no text could stand before a text's.
struct PromptPlaces {
  std::int64_t decoders = 0;    ///< sequence ports that take prompts
  std::int64_t sequences = 0;   ///< sequence ports, those that do not with them
  std::int64_t attentions = 0;  ///< the language model's layers that take keys and values
};

class KnowsPrompts {
 public:
  virtual ~KnowsPrompts() = default;
  virtual PromptPlaces prompt_places() const = 0;
};

}  // namespace luthier
