// SPDX-License-Identifier: GPL-3.0-or-later
// A convolution, a batch norm and perhaps an activation, which convolutional towers are made of,
// and what they keep for the backward.
#pragma once

#include <optional>

#include "engine/models/cost.h"
#include "engine/nn/convolutions/batch_norm.h"
#include "engine/nn/convolutions/convolution.h"
#include "engine/nn/layers.h"

namespace luthier {

/// Pictures on their way through a convolutional tower, as a forecast counts them.
struct MapShape {
  std::int64_t frames = 0;
  double height = 0, width = 0;
  std::int64_t numbers(std::int64_t channels) const {
    return static_cast<std::int64_t>(static_cast<double>(frames * channels) * height * width);
  }
  /// Behind a step of this stride.
  MapShape after(std::int64_t stride) const;
};

/// Keeps what the next layer reads anyhow.
torch::Tensor activate_map(const torch::Tensor& x, Activation activation);

/// `activation`: none where what comes next adds to the result first.
torch::Tensor convolve(const Convolution& convolution, BatchNorm& norm,
                       std::optional<Activation> activation, const torch::Tensor& x);

/// Adds the layer's stage, and steps `at` over it. `activated`: an activation follows the norm.
void add_convolution_cost(const StepTerms& terms, const Convolution& convolution,
                          const BatchNorm& norm, std::optional<Activation> activation, MapShape& at,
                          TowerCost& cost);

}  // namespace luthier
