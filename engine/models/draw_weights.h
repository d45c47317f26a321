// SPDX-License-Identifier: GPL-3.0-or-later
// Random weights for training from scratch, as transformers draws them. They are drawn in float32;
// what a narrower model rounds away of them can be had again, since training moves float32 masters
// that begin there.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "engine/base/result.h"
#include "engine/device/torch.h"

namespace luthier {

class Model;
struct Plan;

/// How a weight began, where its tensor does not hold all of it.
struct Draw {
  at::Generator before;  ///< as it stood when the weight was drawn
  double range = 0;      ///< normal(0, range)
  torch::Tensor value;   ///< in float32, of one that is not drawn but set; else undefined
};
/// By the weights' names in memory.
using Draws = std::map<std::string, Draw>;

/// transformers' initialisation: normal(0, the plan's range) for matrices and embeddings, ones for
/// norms, zeros for biases, the model's own tensors as it says. `go_on` as in LoadOptions.
/// → what a model narrower than float32 does not hold; of a float32 one nothing.
Result<Draws> draw_weights(Model& model, const Plan& plan, std::uint64_t seed,
                           const std::function<bool(double)>& go_on);

/// The weight once more, in float32 on the CPU.
torch::Tensor drawn_again(const Draw& draw, torch::IntArrayRef shape);

}  // namespace luthier
