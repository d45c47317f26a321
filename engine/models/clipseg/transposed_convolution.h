// SPDX-License-Identifier: GPL-3.0-or-later
// A transposed convolution whose squares do not overlap: each place of a map becomes a square, by
// one product. It holds weight [in, out, side, side] and bias as torch's ConvTranspose2d does.
// Adapters do not hang on it, as PEFT's do not.
#pragma once

#include "engine/models/cost.h"
#include "engine/nn/parameters.h"

namespace luthier {

class TransposedConvolution : public ParameterModule {
 public:
  /// `side`: of a square, and the step from one to the next.
  TransposedConvolution(std::int64_t in, std::int64_t out, std::int64_t side,
                        const torch::TensorOptions& tensors);
  /// x [frames, rows, columns, in] → [frames, rows · side, columns · side, out].
  torch::Tensor forward(const torch::Tensor& x) const;
  std::string type_name() const override { return "ConvTranspose2d"; }
  /// Adds its stage, of maps of so many places in all.
  void add_cost(TowerCost& cost, const StepTerms& terms, std::int64_t places) const;

 private:
  std::int64_t in_, out_, side_;
  torch::Tensor weight_, bias_;
};

}  // namespace luthier
