// SPDX-License-Identifier: GPL-3.0-or-later
// Causal models whose rows begin with a prefix that sees itself both ways (Raffel et al. 2020's
// prefix language model; PaliGemma, SimVLM, or a decoder of texts whose config.json says
// prefix_lm): what stands behind the prefix is predicted from it and from what was written so far.
#pragma once

#include "engine/models/model_input.h"

namespace luthier {

/// A capability (see models/model.h), which the model's class has.
class PrefixReader {
 public:
  virtual ~PrefixReader() = default;
  /// Whether it does, as it was configured.
  virtual bool reads_prefix() const = 0;
};

/// Each row's prefix as a block (TokenSequence::blocks): [tokens] int64, 0 in it and −1 behind. It
/// is as long as the row's prompt; where that is not known what stands before the row's first
/// label, and all of the row where nothing in it has one. On the host, of an input that is there.
torch::Tensor prefix_blocks(const ModelInput& input);

/// Sets those aside, where the input's rows begin here (ModelInput::prompt_lengths).
void set_prefix_aside(ModelInput& input);
/// Takes them back, or makes them: on the input's device. Undefined: decoding goes on from a cache.
torch::Tensor take_prefix_back(const ModelInput& input);

}  // namespace luthier
