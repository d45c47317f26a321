// SPDX-License-Identifier: GPL-3.0-or-later
// (IA)³ (Liu et al. 2022) as PEFT 0.21's tuners/ia3 does it: y = (x Wᵀ + b) ∘ l, or of a
// feed-forward module y = (x ∘ l) Wᵀ + b.
#pragma once

#include "engine/methods/method.h"

namespace luthier {

class Ia3Linear : public LinearPlug {
 public:
  /// `factors` [out, 1], or [1, in] where the input is scaled; float32. Of a convolution as many of
  /// its channels, [1, channels, 1...]; `window`: numbers of its input that share one.
  Ia3Linear(torch::Tensor factors, bool scales_input, std::int64_t window = 1);
  torch::Tensor forward(const torch::Tensor& x, const LinearImpl& linear) const override;
  /// Weight and bias with the factors in them, in float32, rounded once to the base's dtype.
  void merge_into(LinearImpl& linear) const;

  torch::Tensor factors;
  bool scales_input;

 private:
  /// What the numbers are multiplied by: 1 + strength · (l − 1), [in] or [out].
  torch::Tensor applied() const;

  std::int64_t window_;
};

const Method& ia3_method();

}  // namespace luthier
