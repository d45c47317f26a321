// SPDX-License-Identifier: GPL-3.0-or-later
// ClipCap's way from CLIP's vector to the states that stand before a caption (Mokady et al. 2021):
// two products with a tanh between them, or a transformer that reads the vector as some tokens with
// learned ones behind them, whose last states are the prefix. Names within are the authors'.
#pragma once

#include <memory>
#include <vector>

#include "engine/models/clipcap/clipcap_options.h"
#include "engine/nn/parameters.h"

namespace luthier::clipcap {

class PrefixMapper : public ParameterModule {
 public:
  /// vectors [pictures, vector] → [pictures · prefix_length, width].
  virtual torch::Tensor forward(const torch::Tensor& vectors) = 0;
  /// Adds its stages. `flows`: a gradient is wanted of the vectors; afterwards of the prefix.
  virtual void add_cost(const StepTerms& terms, std::int64_t pictures, bool& flows,
                        std::vector<Stage>& stages) const = 0;
  std::string type_name() const override { return "Parameter"; }
};

std::shared_ptr<PrefixMapper> make_mapper(const MapperOptions& options,
                                          const torch::TensorOptions& tensors);

}  // namespace luthier::clipcap
