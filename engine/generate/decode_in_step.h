// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>
#include <vector>

namespace luthier {

struct DecodingWork;

/// Makes `answers` of the work, those of one prompt beside one another, a token of each at a time.
/// Sequences that end leave, where the model's way of writing lets them, and make place for answers
/// that wait. False when the host asked to stop.
bool decode_in_step(DecodingWork& work, const std::vector<std::size_t>& answers);

}  // namespace luthier
