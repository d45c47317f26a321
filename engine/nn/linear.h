// SPDX-License-Identifier: GPL-3.0-or-later
// The one Linear that adapters (and later quantized weights) hang on. An adapter is a strategy
// object that computes the whole product from the base's parts; switching adapters changes one
// pointer and copies no weight.
#pragma once

#include "engine/nn/parameters.h"

namespace luthier {

class LinearImpl;

/// What replaces y = x Wᵀ + b while an adapter is active.
class LinearAdapter {
 public:
  virtual ~LinearAdapter() = default;
  /// x [..., in] → [..., out].
  virtual torch::Tensor forward(const torch::Tensor& x, const LinearImpl& base) const = 0;
};

class LinearImpl : public ParameterModule {
 public:
  /// weight [out, in]; bias [out] if `bias`.
  LinearImpl(std::int64_t in_features, std::int64_t out_features, bool bias,
             const torch::TensorOptions& options);
  /// A head tied to an embedding: weight is `owner` [out, in], owned elsewhere.
  explicit LinearImpl(const torch::Tensor& owner);

  /// x [..., in] → [..., out], through the active adapter if there is one.
  torch::Tensor forward(const torch::Tensor& x) const;
  /// The base's product alone.
  torch::Tensor product(const torch::Tensor& x) const;
  std::string type_name() const override { return "Linear"; }

  std::int64_t in_features() const { return weight.size(1); }
  std::int64_t out_features() const { return weight.size(0); }

  torch::Tensor weight, bias;
  const LinearAdapter* adapter = nullptr;  ///< not owned; null: the base alone
};
TORCH_MODULE(Linear);

}  // namespace luthier
