// SPDX-License-Identifier: GPL-3.0-or-later
// LoRA (Hu et al. 2021) and rsLoRA (Kalajdzievski 2023), as PEFT 0.21's tuners/lora does them: y =
// x Wᵀ + b + s · drop(x) Aᵀ Bᵀ, with s = α/r or α/√r. The products with their backward are
// nn/side_by_side's.
#pragma once

#include "engine/nn/layers.h"
#include "engine/nn/narrow_copy.h"
#include "engine/nn/side_by_side.h"

namespace luthier {

/// One wrapped Linear. a [r, in], b [out, r], float32; products with them are made in x's type, of
/// copies that are made once a step.
class LoraLinear : public LowRankPlug, public KeepsCopies {
 public:
  LoraLinear(torch::Tensor a, torch::Tensor b, double scale, double dropout, std::uint64_t place);
  torch::Tensor forward(const torch::Tensor& x,
                        const LinearImpl& base) const override;  // [..., in] → [..., out]
  LowRank low_rank(torch::ScalarType type) const override;
  void add_copies(std::vector<NarrowCopy::Pair>& copies) const override;
  std::optional<std::uint64_t> mask_seed(std::uint64_t of_batch) const override;
  /// scale·B·A [out, in] in float32.
  torch::Tensor delta() const;

  torch::Tensor a, b;
  double scale;  ///< as trained
  double dropout;

 private:
  std::uint64_t place_;  ///< with the micro-batch's seed it decides the dropout mask
  NarrowCopy near_a_, near_b_;
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
