// SPDX-License-Identifier: GPL-3.0-or-later
// Arithmetic of tensors that stand for one thing, each of another training ("tasks"): a weighted
// sum, TIES (Yadav et al. 2023: what is small is left out, a sign is elected, those of that sign
// are averaged), DARE (Yu et al. 2024: what is drawn is left out, the rest grows) and pruning by
// magnitude. The order of the operations is PEFT 0.21's, so that the numbers are its own; what
// DARE draws goes by seed and place, where PEFT draws from a generator that all share.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/device/torch.h"
#include "engine/methods/arithmetic/combine_options.h"

namespace luthier {

enum class Pruning { None, Magnitude, Random };

struct TaskArithmetic {
  Pruning pruning = Pruning::None;
  double density = 1;         ///< share that pruning leaves; from 1 on all
  bool elects_signs = false;  ///< and the mean of those that have the elected one, not the sum
  MajoritySign majority = MajoritySign::Total;
};

/// Where draws come from: the seed, and the name of the tensor that they are for.
struct DrawPlace {
  std::uint64_t seed = 0, tensor = 0;
};
DrawPlace draw_place(std::uint64_t seed, std::string_view tensor);

/// `tensor` with the int(density · n) largest of its n magnitudes, and 0 for the others.
torch::Tensor pruned_by_magnitude(const torch::Tensor& tensor, double density);
/// `tensor` with each of its numbers kept by chance and divided by `density`, else 0; task `index`
/// of `place`.
torch::Tensor pruned_at_random(const torch::Tensor& tensor, double density, DrawPlace place,
                               std::uint64_t index);
/// Where the tasks [tasks, ...] have the sign that most of their sum (or of their number) has; a
/// sum of 0 elects +. Bool.
torch::Tensor majority_sign_mask(const torch::Tensor& tasks, MajoritySign method);

/// What the tasks, float32 of one shape, come to; weights count after pruning and election.
torch::Tensor combined_tasks(std::vector<torch::Tensor> tasks, const std::vector<double>& weights,
                             const TaskArithmetic& how, DrawPlace place);

}  // namespace luthier
