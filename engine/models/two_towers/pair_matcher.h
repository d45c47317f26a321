// SPDX-License-Identifier: GPL-3.0-or-later
// Beside TwoTowers, of models that also read a text together with a picture and say whether the two
// belong together (image-text matching; Li et al. 2021, BLIP's image-grounded text encoder).
#pragma once

#include <cstdint>
#include <vector>

#include "engine/models/model_input.h"

namespace luthier {

class PairMatcher {
 public:
  /// The i-th pair: row texts[i]'s text beside the input's picture pictures[i].
  struct Pairs {
    std::vector<std::int64_t> texts, pictures;
    /// Texts begin with the token that they have, and not with the one that says what is asked.
    bool as_they_begin = false;
  };
  virtual ~PairMatcher() = default;
  /// → [pairs, 2]: the logits of not belonging together, and of doing so.
  virtual torch::Tensor match(const ModelInput& input, const Pairs& pairs) = 0;
};

}  // namespace luthier
