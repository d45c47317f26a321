// SPDX-License-Identifier: GPL-3.0-or-later
// What Idefics' tokens see: the last picture before them in their row, its mark's token among them,
// until an end token has been; those before the first mark, and those behind an end, see none.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/models/mllama/picture_sight.h"
#include "engine/models/model_input.h"

namespace luthier {

/// ModelInput::picture_marks of such a model: the places of pictures' marks, and −1 − place of end
/// tokens, in their order.
std::vector<std::int64_t> picture_events(const ModelInput& input, TokenId mark,
                                         const std::vector<TokenId>& ends);

/// A run of tokens for each picture, which shows `states` states. `order` and `opened` stay
/// undefined.
Sighted last_pictures(const std::vector<std::int64_t>& lengths,
                      const std::vector<std::int64_t>& events, std::int64_t states);

/// The same where it is said of each token: `sights` [tokens, 2] int64 on the CPU, the first
/// picture that it sees and how many from there on. `order` has the states run by run: some are
/// seen by several, some by none.
Sighted given_pictures(const std::vector<std::int64_t>& lengths, const torch::Tensor& sights,
                       std::int64_t states);

}  // namespace luthier
