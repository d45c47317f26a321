// SPDX-License-Identifier: GPL-3.0-or-later
// What ViTMAEModel of transformers gives: the encoder's states of the patches that are seen.
#pragma once

#include "engine/models/model_input.h"

namespace luthier {

class UncoveredPatches {
 public:
  virtual ~UncoveredPatches() = default;
  /// `noise` [pictures, patches]: the patches of the smallest are seen, in that order, behind the
  /// first token: [pictures, 1 + seen, hidden].
  virtual torch::Tensor seen_states(const ModelInput& input, const torch::Tensor& noise) = 0;
};

}  // namespace luthier
