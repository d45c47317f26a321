// SPDX-License-Identifier: GPL-3.0-or-later
// The layers' small operations on the CPU, each one pass over memory (nn/cpu_loops.h) where ATen
// takes several and makes a temporary for each. All outside autograd. Rows may lie apart, as in a
// joined product; `into` is where a result goes, a new tensor where it is undefined. Whoever asks
// has ATen's way for devices and for other types.
#pragma once

#include <utility>

#include "engine/device/torch.h"
#include "engine/nn/cpu_loops.h"

namespace luthier {

/// Whether the loops do for these: all of one type, float32 or bfloat16, on the CPU.
bool suits_loops(at::TensorList tensors);

/// x [..., size], weight [size] → y as x, and 1 / rms(x) [..., 1] in float32.
std::pair<torch::Tensor, torch::Tensor> rms_norm_pass(const torch::Tensor& x,
                                                      const torch::Tensor& weight, double epsilon,
                                                      bool centred);
/// The same of a sum, which is made in the same pass.
struct SumNorm {
  torch::Tensor sum, y, scale;
};
SumNorm sum_rms_norm_pass(const torch::Tensor& x, const torch::Tensor& added,
                          const torch::Tensor& weight, double epsilon, bool centred);
/// The gradient of x, and `passed` as it is, added to it; undefined: nothing is.
torch::Tensor rms_norm_back_pass(const torch::Tensor& x, const torch::Tensor& weight,
                                 const torch::Tensor& scale, const torch::Tensor& gradient,
                                 bool centred, const torch::Tensor& into = {},
                                 const torch::Tensor& passed = {});

/// act(x) · up; of an undefined `up`: act(x).
torch::Tensor activate_pass(const torch::Tensor& x, const torch::Tensor& up, loops::Curve curve);
/// The gradients of x and of up, which is undefined where there is none; beside one another where
/// x and up are.
std::pair<torch::Tensor, torch::Tensor> activate_back_pass(const torch::Tensor& x,
                                                           const torch::Tensor& up,
                                                           const torch::Tensor& gradient,
                                                           loops::Curve curve);

/// x [tokens, heads, size] turned by cos, sin [tokens, 1, turned]; `sign` −1 turns back. Only where
/// suits_turn says so. `into` may be x's own memory.
bool suits_turn(const torch::Tensor& x, const torch::Tensor& cos, const torch::Tensor& sin);
torch::Tensor turn_pass(const torch::Tensor& x, const torch::Tensor& cos, const torch::Tensor& sin,
                        double sign, const torch::Tensor& into = {});

/// Logits [n, vocab], contiguous, of a type that suits the loops, target [n] int64 → −log
/// softmax(logits)[target] of each row, [n] in float32. With `gradient` the logits become softmax −
/// onehot(target), rounded once.
torch::Tensor cross_entropy_pass(const torch::Tensor& logits, const torch::Tensor& target,
                                 bool gradient);

}  // namespace luthier
