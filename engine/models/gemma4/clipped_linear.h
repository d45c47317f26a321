// SPDX-License-Identifier: GPL-3.0-or-later
// A product whose input and result stay within bounds that the files hold, as
// Gemma4ClippableLinear of transformers 5.17 has them. A gradient passes inside the bounds alone.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <vector>

#include "engine/nn/cost.h"
#include "engine/nn/linear.h"

namespace luthier {

/// x within [least, most], numbers of its type. Keeps a byte for each number of x.
torch::Tensor clipped(const torch::Tensor& x, const torch::Tensor& least,
                      const torch::Tensor& most);

class ClippedLinear : public ParameterModule {
 public:
  /// Holds `linear` under that name; without `clips` it is all that there is.
  ClippedLinear(const Linear& linear, bool clips, const torch::TensorOptions& tensors);
  torch::Tensor forward(const torch::Tensor& x) const;
  std::string type_name() const override { return "ClippableLinear"; }

  bool clips() const { return input_min_.defined(); }
  const Linear& linear() const { return linear_; }
  /// What clipping keeps for so many rows. `flows`: a gradient is wanted of its input.
  std::int64_t kept(const StepTerms& terms, std::int64_t rows, bool flows) const;

 private:
  Linear linear_{nullptr};
  torch::Tensor input_min_, input_max_, output_min_, output_max_;
};
using ClippedPointer = std::shared_ptr<ClippedLinear>;

/// Those without bounds that read one input, made together where they can be (side_by_side).
std::vector<ClippedPointer> clipped_neighbours(std::int64_t in,
                                               const std::vector<std::int64_t>& outs, bool clips,
                                               const torch::TensorOptions& tensors);
std::vector<torch::Tensor> clipped_side_by_side(const torch::Tensor& x,
                                                const std::vector<ClippedPointer>& linears);
/// What two or three of those keep beyond products of one input without bounds.
std::int64_t clipped_kept(const StepTerms& terms, const std::vector<ClippedPointer>& linears,
                          std::int64_t rows, bool flows);

}  // namespace luthier
