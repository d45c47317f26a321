// SPDX-License-Identifier: GPL-3.0-or-later
// The one Linear that plugs hang on, over a weight that is dense or packed. A plug computes the
// whole product from the base's parts; switching changes one pointer and copies no weight.
#pragma once

#include "engine/nn/parameters.h"
#include "engine/nn/plugs.h"
#include "engine/nn/weight.h"

namespace luthier {

/// cap · tanh(y / cap), which the backward reads no result of.
torch::Tensor with_softcap(const torch::Tensor& y, double cap);

class LinearImpl : public ParameterModule {
 public:
  /// weight [out, in]; bias [out] if `bias`.
  LinearImpl(std::int64_t in_features, std::int64_t out_features, bool bias,
             const torch::TensorOptions& options);
  /// A head tied to an embedding: weight is `owner` [out, in], owned elsewhere.
  explicit LinearImpl(const torch::Tensor& owner);

  /// x [..., in] → [..., out], through the plug if one hangs here, and capped where it has a cap.
  torch::Tensor forward(const torch::Tensor& x) const;
  /// The base's product alone.
  torch::Tensor product(const torch::Tensor& x) const;
  std::string type_name() const override { return "Linear"; }
  bool holds_tensors() const override { return true; }  // also where a packed weight is all it has
  bool row_by_row() const override { return weight.row_by_row() && (!plug || plug->row_by_row()); }

  std::int64_t in_features() const { return weight.cols(); }
  std::int64_t out_features() const { return weight.rows(); }

  /// From now on `packed` is the weight, and no parameter; the dense tensor is let go.
  void pack(PackedPointer packed);
  /// A packed weight becomes a dense parameter of `dtype`, its numbers rounded once.
  void unpack(torch::ScalarType dtype);
  /// A tied head gets a weight of its own, a copy of the embedding's.
  void untie();

  Weight weight;
  torch::Tensor bias;
  double softcap = 0;  ///< of what forward() gives: c · tanh(y / c) (an output head's); 0: none
  const LinearPlug* plug = nullptr;  ///< not owned; null: the base alone
};
TORCH_MODULE(Linear);

}  // namespace luthier
