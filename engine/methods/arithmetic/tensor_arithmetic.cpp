// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/arithmetic/tensor_arithmetic.h"

#include "engine/base/random_stream.h"

namespace luthier {

using torch::Tensor;

DrawPlace draw_place(std::uint64_t seed, std::string_view tensor) {
  std::uint64_t place = 0xcbf29ce484222325ull;  // FNV-1a, the same on every machine
  for (const char c : tensor) place = (place ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  return {seed, place};
}

Tensor pruned_by_magnitude(const Tensor& tensor, double density) {
  if (density >= 1) return tensor;
  const auto kept = static_cast<std::int64_t>(density * static_cast<double>(tensor.numel()));
  Tensor mask = at::zeros({tensor.numel()}, tensor.options());
  mask.index_fill_(0, std::get<1>(at::topk(tensor.abs().reshape(-1), kept)), 1);
  return tensor * mask.view_as(tensor);
}

Tensor pruned_at_random(const Tensor& tensor, double density, DrawPlace place,
                        std::uint64_t index) {
  if (density >= 1) return tensor;
  Tensor mask = at::empty({tensor.numel()}, torch::kFloat32);
  RandomStream stream(place.seed, place.tensor, index);
  auto* each = mask.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < tensor.numel(); ++i) each[i] = stream.chance(density) ? 1.0f : 0.0f;
  return (tensor * mask.view_as(tensor)).div_(density);
}

Tensor majority_sign_mask(const Tensor& tasks, MajoritySign method) {
  const Tensor signs = tasks.sign();
  const Tensor sum = method == MajoritySign::Total ? tasks.sum(0) : signs.sum(0);
  return signs == at::where(sum >= 0, 1.0, -1.0).to(signs.scalar_type());
}

Tensor combined_tasks(std::vector<Tensor> tasks, const std::vector<double>& weights,
                      const TaskArithmetic& how, DrawPlace place) {
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    if (how.pruning == Pruning::Magnitude) tasks[i] = pruned_by_magnitude(tasks[i], how.density);
    if (how.pruning == Pruning::Random)
      tasks[i] = pruned_at_random(tasks[i], how.density, place, i);
  }
  const Tensor stacked = at::stack(tasks);  // [tasks, ...]
  tasks.clear();
  std::vector<std::int64_t> along(static_cast<std::size_t>(stacked.dim()), 1);
  along[0] = stacked.size(0);
  const Tensor shares = torch::tensor(weights, torch::kFloat64).to(torch::kFloat32).view(along);
  if (!how.elects_signs) return (stacked * shares).sum(0);
  const Tensor mask = majority_sign_mask(stacked, how.majority);
  const Tensor counted = mask.sum(0).to(torch::kFloat32).clamp_min_(1);
  return (stacked * shares * mask).sum(0).div_(counted);
}

}  // namespace luthier
