// SPDX-License-Identifier: GPL-3.0-or-later
// What FIBER (Dou et al. 2022) adds to a layer of either tower: its attention's result x becomes
// x + α · (attention of x to the other side's states), where α is one number that begins at 0.
// Places of a picture are normed before they ask, a text's tokens are not.
#pragma once

#include <optional>

#include "engine/models/cost.h"
#include "engine/nn/layers.h"
#include "engine/nn/linear.h"
#include "engine/nn/rows.h"

namespace luthier::fiber {

struct FusionSizes {
  std::int64_t width = 0, seen = 0, heads = 0;  ///< seen: width of the other side's states
  bool bias = true;                             ///< of queries, keys and values
  std::optional<double> norm;                   ///< the norm's epsilon; none: there is no norm
};

class FusedAttention : public ParameterModule {
 public:
  FusedAttention(const FusionSizes& sizes, const torch::TensorOptions& t);
  std::string type_name() const override { return "Parameter"; }
  torch::Tensor first_value(const std::string& name, const at::Generator& generator) const override;
  /// x [tokens, width], each row of which looks across to the same row of `seen` → the same.
  torch::Tensor forward(const torch::Tensor& x, const RowLayout& rows, const RowStates& seen) const;

  struct Cost {
    std::int64_t kept = 0, work = 0;
    bool passes = false;  ///< something in it, or below it, wants a gradient
  };
  /// Of `shape`, from `tokens` to `seen` ones; `flows`, `seen_flows`: a gradient is wanted of x, of
  /// the states that are seen.
  Cost cost(const StepTerms& terms, const RowsShape& shape, std::int64_t tokens, std::int64_t seen,
            bool flows, bool seen_flows) const;

 private:
  std::int64_t heads_;
  LayerNorm norm_{nullptr};
  Linear query_{nullptr}, key_{nullptr}, value_{nullptr}, dense_{nullptr};
  torch::Tensor alpha_;  ///< [1]
};

}  // namespace luthier::fiber
