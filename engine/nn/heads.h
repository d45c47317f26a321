// SPDX-License-Identifier: GPL-3.0-or-later
// Queries and keys as attention takes them: each head normed, where a model does that, and turned
// by its position. Where kernels of our own run, one makes all of it.
#pragma once

#include <utility>

#include "engine/nn/layers.h"
#include "engine/nn/rotary.h"

namespace luthier {

/// query and key [tokens, heads, head_dim]; the norms are both there or both null. `given_up`:
/// nobody reads query and key again, and where there is no norm the results take their memory.
/// Gradients of neighbours (device/neighbours.h) are neighbours.
std::pair<torch::Tensor, torch::Tensor> normed_and_turned(
    const torch::Tensor& query, const torch::Tensor& key, const RmsNorm& query_norm,
    const RmsNorm& key_norm, const RotaryTable& table, bool given_up = false);

}  // namespace luthier
