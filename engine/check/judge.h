// SPDX-License-Identifier: GPL-3.0-or-later
// When two devices' numbers are the same. Neither rounds like the other: sums come in another
// order, and exponentials differ in their last bit. What is allowed is told from what a type can
// hold.
//
// float32: the truth is the CPU's float32. Its numbers and a correct card's lie some 1e-6 of their
// size apart; 1e-4 is allowed. Products whose factors were rounded to ten bits (TF32, 5e-4) lie
// outside, a wrong kernel by far.
//
// bfloat16: the truth is the CPU's float32 over the same weights, which bfloat16 holds exactly. How
// far the CPU's own bfloat16 lies from it is what the type costs; four times that is allowed, since
// a card rounds at other places.
//
// Of a tensor, distances and sizes are norms. A gradient that is zero but for rounding (a key's
// bias) has no size of its own: the gradients' common size, root mean square over all, counts as
// well.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "engine/device/torch.h"

namespace luthier {

/// Tensors by name, float32 on the CPU.
using NamedGradients = std::vector<std::pair<std::string, torch::Tensor>>;

inline constexpr double kAllowedFloat32 = 1e-4, kAllowedTimes = 4;
/// The least that bfloat16 is taken to cost: half of its last bit.
inline constexpr double kBfloat16Bit = 1.0 / 256;

/// The tensor that uses up most of what is allowed.
struct Farthest {
  std::string name;
  double share = 0;  ///< of what is allowed; above 1: outside
};

/// `same` is the CPU's in the type of `found`; of float32 it is not looked at.
Farthest farthest(const NamedGradients& found, const NamedGradients& same,
                  const NamedGradients& truth, torch::ScalarType type);
/// Of one number.
double share_of_allowed(double found, double same, double truth, torch::ScalarType type);

}  // namespace luthier
