// SPDX-License-Identifier: GPL-3.0-or-later
// Pairs that do more to a weight than add B·A to it, as PEFT 0.21 has them. DoRA (Liu et al. 2024)
// gives each row of the sum a length that trains: y = m/‖W + s·BA‖ · (x Wᵀ + s · x Aᵀ Bᵀ) + b, the
// norm without a gradient. PiSSA and OLoRA took their start A₀, B₀ out of the weight: y = x Wᵀ − s
// · x A₀ᵀ B₀ᵀ + s · drop(x) Aᵀ Bᵀ + b. LoftQ's pair adds to packed numbers in the weight's place.
// PEFT changes the weight for that; here it stays as it is, so that without the adapter the base is
// the base. Strength is a share of the way from the base.
#pragma once

#include "engine/methods/lora.h"

namespace luthier {

class LoraVariant : public LinearPlug, public KeepsCopies {
 public:
  /// What a start took out of the weight: scale · b · a, float32. Of undefined tensors: nothing.
  struct Taken {
    torch::Tensor a, b;  // [r, in], [out, r]
  };
  LoraVariant(std::shared_ptr<const LoraLinear> pair, Taken taken);
  /// This weight in the place of the base's. Before rescale.
  void stand_in(Weight weight) { stand_in_ = std::move(weight); }
  /// The rows' lengths train, too: [out], float32. `linear` is what it will hang on.
  void rescale(torch::Tensor magnitude, const LinearImpl& linear);

  torch::Tensor forward(const torch::Tensor& x,
                        const LinearImpl& base) const override;  // [..., in] → [..., out]
  void add_copies(std::vector<NarrowCopy::Pair>& copies) const override;
  std::optional<std::uint64_t> mask_seed(std::uint64_t of_batch) const override;
  /// ‖W + s·(BA − B₀A₀)‖ of each row: [out], float32.
  torch::Tensor norms(const LinearImpl& linear) const;
  void merge_into(LinearImpl& linear) const;
  /// What is added to the base's weight: s·(BA − B₀A₀) [out, in], float32. Undefined where that is
  /// not all: rows have lengths of their own, or another weight stands in.
  torch::Tensor delta() const;
  double scale() const { return pair_->scale; }

 private:
  torch::Tensor made(const torch::Tensor& x, const LinearImpl& linear, double strength) const;
  torch::Tensor summed(const LinearImpl& linear) const;
  const Weight& weight_of(const LinearImpl& linear) const {
    return stand_in_ ? *stand_in_ : linear.weight;
  }
  LowRank with_taken(LowRank low, torch::ScalarType type) const;

  std::shared_ptr<const LoraLinear> pair_;
  Taken taken_;
  std::optional<Weight> stand_in_;
  NarrowCopy near_taken_a_, near_taken_b_;
  torch::Tensor magnitude_;  ///< undefined: rows keep the length that the sum gives them
  torch::Tensor squares_;    ///< ‖W‖² of each row
};

/// DoRA on a token embedding: a length for each of the embedding's columns, magnitude [size].
class DoraEmbedding : public EmbeddingPlug {
 public:
  DoraEmbedding(std::shared_ptr<const LoraEmbedding> pair, torch::Tensor magnitude,
                const EmbeddingImpl& embedding);
  torch::Tensor forward(const torch::Tensor& ids, const EmbeddingImpl& base) const override;
  /// ‖W + s·(BA)ᵀ‖ of each column: [size], float32.
  torch::Tensor norms(const EmbeddingImpl& embedding) const;
  void merge_into(EmbeddingImpl& embedding) const;

 private:
  std::shared_ptr<const LoraEmbedding> pair_;
  torch::Tensor magnitude_, squares_;
};

}  // namespace luthier
