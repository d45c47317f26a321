// SPDX-License-Identifier: GPL-3.0-or-later
// Queries and keys before attention: RMSNorm of each head where a model has it, and the rotation by
// position, for all heads of both in one launch. Nothing is returned where no kernel runs.
#pragma once

#include <optional>
#include <utility>

#include "engine/device/torch.h"

namespace luthier::kernels {

/// [tokens, heads, size] each, of one type; the tokens' rows may lie apart, as in a joined product.
/// `key` may be undefined.
struct HeadsToTurn {
  torch::Tensor query, key;
  torch::Tensor query_weight, key_weight;  ///< [size]; both undefined: no norm
  torch::Tensor cosine, sine;  ///< [tokens, turned], of the heads' type; or [tokens, 1, turned]
  double epsilon = 0;
  bool centred = false;
};
struct TurnedHeads {
  torch::Tensor query, key;
  torch::Tensor query_scale, key_scale;  ///< [tokens, heads, 1] float32, where there is a norm
};
/// `sign` −1 turns back (the rotation's backward). `into`: where the heads go, of their shapes,
/// each token's in one piece; without a norm their own memory will do. Undefined: new tensors.
std::optional<TurnedHeads> turn_heads(const HeadsToTurn& heads, double sign = 1,
                                      const std::pair<torch::Tensor, torch::Tensor>& into = {});

struct HeadsGradients {
  torch::Tensor query, key;
};
/// Of what turn_heads was given, where there was a norm; beside one another where that was.
std::optional<HeadsGradients> turn_heads_backward(const HeadsToTurn& heads, const TurnedHeads& made,
                                                  const torch::Tensor& query_gradient,
                                                  const torch::Tensor& key_gradient);

}  // namespace luthier::kernels
