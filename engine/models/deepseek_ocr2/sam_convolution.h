// SPDX-License-Identifier: GPL-3.0-or-later
// The convolutions behind SAM's layers, whose windows overlap: a product with each window all the
// same, so that what hangs on a Linear can hang on them.
#pragma once

#include "engine/models/cost.h"
#include "engine/nn/patch_product.h"

namespace luthier {

/// Without a bias, over squares of `side` places (an odd number) every `step` places, with zeros
/// around the frame.
class SamConvolution : public PatchProduct {
 public:
  SamConvolution(std::int64_t in, std::int64_t out, std::int64_t side, std::int64_t step,
                 const torch::TensorOptions& tensors);
  /// x [frames, rows, columns, in] → [frames, rows / step, columns / step, out], rounded up.
  torch::Tensor forward(const torch::Tensor& x) const;
  std::string type_name() const override { return "Conv2d"; }
  /// As a part of a tower that gives so many places.
  void add_cost(TowerCost& cost, const StepTerms& terms, std::int64_t places) const;

 private:
  std::int64_t in_, side_, step_;
};

}  // namespace luthier
