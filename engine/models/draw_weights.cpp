// SPDX-License-Identifier: GPL-3.0-or-later
// One generator goes through all weights in the model's order. Where they are rounded, its state
// before each is kept (5 KB), and not the weight.
#include "engine/models/draw_weights.h"

#include <ATen/CPUGeneratorImpl.h>

#include "engine/device/threads.h"
#include "engine/models/family.h"
#include "engine/models/first_weight.h"
#include "engine/models/model.h"

namespace luthier {

namespace {

using torch::Tensor;

Tensor normal(torch::IntArrayRef shape, double range, const at::Generator& generator) {
  return torch::empty(shape, torch::kFloat32).normal_(0, range, generator);
}

/// The model sets its own tensors in float32, and they are then rounded into their places.
void start_own_tensors(Model& model, Draws& draws) {
  std::map<std::string, Tensor> narrow;
  for (auto& item : model.named_parameters(/*recurse=*/false)) {
    if (item.value().scalar_type() == torch::kFloat32) continue;
    narrow[item.key()] = item.value().detach();
    item.value().set_data(item.value().detach().to(torch::kFloat32));
  }
  model.start_own_tensors();
  for (auto& item : model.named_parameters(/*recurse=*/false)) {
    const auto found = narrow.find(item.key());
    if (found == narrow.end()) continue;
    const Tensor wide =
        item.value().detach().to(torch::kCPU, /*non_blocking=*/false, /*copy=*/true);
    found->second.copy_(wide);
    item.value().set_data(found->second);
    draws[item.key()].value = wide;
  }
}

}  // namespace

Result<Draws> draw_weights(Model& model, const Plan& plan, std::uint64_t seed,
                           const std::function<bool(double)>& go_on) {
  const torch::NoGradGuard no_grad;
  Draws draws;
  std::int64_t done = 0, total = 1;
  for (const Tensor& tensor : model.parameters()) total += tensor.numel();
  const auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  start_own_tensors(model, draws);
  for (const auto& module : model.named_modules(/*name_prefix=*/"", /*include_self=*/false)) {
    const auto* owner = dynamic_cast<const ParameterModule*>(module.value().get());
    if (!owner) continue;
    for (auto& item : module.value()->named_parameters(/*recurse=*/false)) {
      Tensor& tensor = item.value();
      adapt_waiting();
      const std::string name = module.key() + "." + item.key();
      const double range =
          plan.initializer_ranges ? plan.initializer_ranges(name) : plan.initializer_range;
      if (const Tensor first = owner->first_value(item.key(), generator); first.defined()) {
        if (tensor.scalar_type() != torch::kFloat32) draws[name].value = first;
        tensor.copy_(first);
      } else if (const auto start = fixed_start(*owner, item.key())) {
        tensor.fill_(*start);
      } else {
        if (tensor.scalar_type() != torch::kFloat32) draws[name] = {generator.clone(), range, {}};
        tensor.copy_(normal(tensor.sizes(), range, generator));
      }
      done += tensor.numel();
      if (go_on && !go_on(static_cast<double>(done) / static_cast<double>(total)))
        return interrupted_error();
    }
  }
  return draws;
}

Tensor drawn_again(const Draw& draw, torch::IntArrayRef shape) {
  const torch::NoGradGuard no_grad;
  if (draw.value.defined()) return draw.value.clone();
  return normal(shape, draw.range, draw.before.clone());
}

}  // namespace luthier
