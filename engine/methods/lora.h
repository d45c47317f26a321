// SPDX-License-Identifier: GPL-3.0-or-later
// LoRA (Hu et al. 2021) and rsLoRA (Kalajdzievski 2023), as PEFT 0.21's tuners/lora does them: y =
// x Wᵀ + b + s · drop(x) Aᵀ Bᵀ, with s = α/r or α/√r. The products with their backward are
// nn/side_by_side's. What does more than that (DoRA, PiSSA, OLoRA) is lora_variants'.
#pragma once

#include "engine/nn/layers.h"
#include "engine/nn/narrow_copy.h"
#include "engine/nn/side_by_side.h"

namespace luthier {

/// One wrapped Linear. a [r, in], b [out, r], float32, of a convolution with more dimensions of
/// which only the first counts (a [r, channels, window...], b [out, r, 1...]); products with them
/// are made in x's type, of copies that are made once a step.
class LoraLinear : public LowRankPlug, public KeepsCopies {
 public:
  LoraLinear(torch::Tensor a, torch::Tensor b, double scale, double dropout, std::uint64_t place);
  torch::Tensor forward(const torch::Tensor& x,
                        const LinearImpl& base) const override;  // [..., in] → [..., out]
  LowRank low_rank(torch::ScalarType type) const override;
  void add_copies(std::vector<NarrowCopy::Pair>& copies) const override;
  std::optional<std::uint64_t> mask_seed(std::uint64_t of_batch) const override;
  /// The pair where `plug` hangs in this one's place, at a strength of its own.
  LowRank low_rank_of(const Plug& plug, double strength, torch::ScalarType type) const;
  /// scale·B·A [out, in] in float32.
  torch::Tensor delta() const;
  void merge_into(LinearImpl& linear) const;

  torch::Tensor matrix_a() const { return a.flatten(1); }  // [r, in]
  torch::Tensor matrix_b() const { return b.flatten(1); }  // [out, r]

  torch::Tensor a, b;
  double scale;  ///< as trained
  double dropout;
  torch::Tensor bias;  ///< of B: [out], added so many times as the pair is; undefined: none

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
  /// The same at another strength; 0: the lookup alone.
  torch::Tensor looked_up(const torch::Tensor& ids, const EmbeddingImpl& base, double at) const;
  /// scale·(B·A)ᵀ [count, size] in float32.
  torch::Tensor delta() const;

  torch::Tensor a, b;
  double scale;
};

}  // namespace luthier
