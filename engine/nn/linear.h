// SPDX-License-Identifier: GPL-3.0-or-later
// The one Linear that plugs hang on. A plug computes the whole product from the base's parts;
// switching changes one pointer and copies no weight.
#pragma once

#include "engine/nn/parameters.h"
#include "engine/nn/plugs.h"

namespace luthier {

class LinearImpl : public ParameterModule {
 public:
  /// weight [out, in]; bias [out] if `bias`.
  LinearImpl(std::int64_t in_features, std::int64_t out_features, bool bias,
             const torch::TensorOptions& options);
  /// A head tied to an embedding: weight is `owner` [out, in], owned elsewhere.
  explicit LinearImpl(const torch::Tensor& owner);

  /// x [..., in] → [..., out], through the plug if one hangs here.
  torch::Tensor forward(const torch::Tensor& x) const;
  /// The base's product alone.
  torch::Tensor product(const torch::Tensor& x) const;
  std::string type_name() const override { return "Linear"; }

  std::int64_t in_features() const { return weight.size(1); }
  std::int64_t out_features() const { return weight.size(0); }

  torch::Tensor weight, bias;
  const LinearPlug* plug = nullptr;  ///< not owned; null: the base alone
};
TORCH_MODULE(Linear);

}  // namespace luthier
