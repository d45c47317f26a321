// SPDX-License-Identifier: GPL-3.0-or-later
// What a device sends of a step's logits: the ids and logits of the most likely tokens and two
// sums, a few hundred bytes a row where the logits are half a megabyte. All of it is made on the
// device and read in one copy.
#pragma once

#include <vector>

#include "engine/device/torch.h"
#include "engine/generate/token_choice.h"

namespace luthier {

/// logits [rows, vocab] float32 → what choose_among needs of each row: [rows, 2 + leading_count]
/// int64, on the same device.
torch::Tensor leading_tokens(const torch::Tensor& logits, const GenerationOptions& options);
/// The most likely token of each row of the above: [rows] int64, on the same device.
torch::Tensor most_likely(const torch::Tensor& leading, std::int64_t vocabulary);
/// One copy and one wait.
std::vector<LeadingTokens> read_leading(const torch::Tensor& leading, std::int64_t vocabulary);

}  // namespace luthier
