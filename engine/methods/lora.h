// SPDX-License-Identifier: GPL-3.0-or-later
// LoRA (Hu et al. 2021) and rsLoRA (Kalajdzievski 2023), as PEFT 0.21's tuners/lora does them: y =
// x Wᵀ + b + s · drop(x) Aᵀ Bᵀ, with s = α/r or α/√r. The product with its backward is one autograd
// function that keeps x and x Aᵀ alone.
#pragma once

#include "engine/nn/layers.h"
#include "engine/nn/linear.h"

namespace luthier {

/// One wrapped Linear. a [r, in], b [out, r], float32.
class LoraLinear : public LinearPlug {
 public:
  LoraLinear(torch::Tensor a, torch::Tensor b, double scale, double dropout, std::uint64_t place);
  torch::Tensor forward(const torch::Tensor& x,
                        const LinearImpl& base) const override;  // [..., in] → [..., out]
  /// scale·B·A [out, in] in float32.
  torch::Tensor delta() const;

  torch::Tensor a, b;
  double scale;  ///< as trained
  double dropout;

 private:
  std::uint64_t place_;  ///< with the micro-batch's seed it decides the dropout mask
};

/// One wrapped token embedding: W[ids] + s · Aᵀ[ids] Bᵀ. a [r, count], b [size, r], float32; PEFT
/// applies no dropout here.
class LoraEmbedding : public EmbeddingPlug {
 public:
  LoraEmbedding(torch::Tensor a, torch::Tensor b, double scale);
  torch::Tensor forward(const torch::Tensor& ids, const EmbeddingImpl& base) const override;
  /// scale·(B·A)ᵀ [count, size] in float32.
  torch::Tensor delta() const;

  torch::Tensor a, b;
  double scale;
};

}  // namespace luthier
