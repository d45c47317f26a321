// SPDX-License-Identifier: GPL-3.0-or-later
// AdamW over LibTorch's fused kernel where the parameter is float32 (every adapter, full training
// on the CPU); in lower precisions the same arithmetic in float32 with one rounding at the end,
// which the fused kernel does not offer together with float32 moments.
#include "engine/optim/adamw.h"

#include <cmath>

namespace luthier {

void AdamW::make_states() {
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const torch::Tensor& tensor = tensors_[i].tensor;
    if (!tensor.grad().defined() || states_[i].exp_avg.defined()) continue;
    const auto options = tensor.options().dtype(torch::kFloat32).requires_grad(false);
    torch::Tensor first = torch::zeros(tensor.sizes(), options);
    states_[i].exp_avg_sq = torch::zeros(tensor.sizes(), options);
    states_[i].exp_avg = first;
  }
}

void AdamW::step(double learning_rate) {
  const torch::NoGradGuard no_grad;
  make_states();
  // Tensors of one device, decay and step count share a kernel launch.
  std::map<std::pair<bool, std::int64_t>, std::vector<std::size_t>> groups;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const torch::Tensor& tensor = tensors_[i].tensor;
    if (!tensor.grad().defined()) continue;
    ++states_[i].step;
    if (tensor.scalar_type() == torch::kFloat32 && tensor.is_contiguous())
      groups[{tensors_[i].decay, states_[i].step}].push_back(i);
    else
      step_rounded(i, learning_rate, tensors_[i].decay ? options_.weight_decay : 0);
  }
  for (const auto& [key, group] : groups)
    step_fused(group, learning_rate, key.first ? options_.weight_decay : 0);
}

void AdamW::step_fused(const std::vector<std::size_t>& group, double learning_rate, double decay) {
  std::vector<torch::Tensor> parameters, gradients, first, second;
  for (std::size_t i : group) {
    parameters.push_back(tensors_[i].tensor);
    gradients.push_back(tensors_[i].tensor.grad().contiguous());
    first.push_back(states_[i].exp_avg);
    second.push_back(states_[i].exp_avg_sq);
  }
  const torch::Tensor count =
      torch::full({}, static_cast<double>(states_[group.front()].step),
                  parameters.front().options().dtype(torch::kFloat32).requires_grad(false));
  const std::vector<torch::Tensor> counts(group.size(), count);
  at::_fused_adamw_(parameters, gradients, first, second, {}, counts, learning_rate, options_.beta1,
                    options_.beta2, decay, options_.epsilon,
                    /*amsgrad=*/false, /*maximize=*/false);
}

void AdamW::step_rounded(std::size_t index, double learning_rate, double decay) {
  State& state = states_[index];
  torch::Tensor parameter = tensors_[index].tensor;
  const torch::Tensor gradient = parameter.grad().to(torch::kFloat32);
  torch::Tensor value = parameter.to(torch::kFloat32, /*non_blocking=*/false, /*copy=*/true);
  value.mul_(1 - learning_rate * decay);
  state.exp_avg.lerp_(gradient, 1 - options_.beta1);
  state.exp_avg_sq.mul_(options_.beta2).addcmul_(gradient, gradient, 1 - options_.beta2);
  const double count = static_cast<double>(state.step);
  const double correction1 = 1 - std::pow(options_.beta1, count),
               correction2 = 1 - std::pow(options_.beta2, count);
  const torch::Tensor denominator =
      state.exp_avg_sq.sqrt().div_(std::sqrt(correction2)).add_(options_.epsilon);
  value.addcdiv_(state.exp_avg, denominator, -learning_rate / correction1);
  parameter.copy_(value);
}

void AdamW::clear_gradients() {
  for (TrainedTensor& trained : tensors_) trained.tensor.mutable_grad().reset();
}

std::int64_t AdamW::state_bytes() const {
  std::int64_t bytes = 0;
  for (const State& state : states_) {
    if (state.exp_avg.defined())
      bytes += static_cast<std::int64_t>(state.exp_avg.nbytes() + state.exp_avg_sq.nbytes());
  }
  return bytes;
}

std::int64_t AdamW::gradient_bytes() const {
  std::int64_t bytes = 0;
  for (const TrainedTensor& trained : tensors_) {
    if (trained.tensor.grad().defined())
      bytes += static_cast<std::int64_t>(trained.tensor.grad().nbytes());
  }
  return bytes;
}

std::map<std::string, torch::Tensor> AdamW::state() const {
  std::map<std::string, torch::Tensor> result;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    if (!states_[i].exp_avg.defined()) continue;
    const std::string& name = tensors_[i].name;
    result[name + ".exp_avg"] = states_[i].exp_avg;
    result[name + ".exp_avg_sq"] = states_[i].exp_avg_sq;
    result[name + ".step"] = torch::tensor({states_[i].step}, torch::kInt64);
  }
  return result;
}

Status AdamW::load_state(std::map<std::string, torch::Tensor> state, const std::string& where) {
  const torch::NoGradGuard no_grad;
  std::vector<State> states(tensors_.size());
  std::size_t used = 0;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const std::string& name = tensors_[i].name;
    const auto first = state.find(name + ".exp_avg"), second = state.find(name + ".exp_avg_sq"),
               count = state.find(name + ".step");
    const int found = (first != state.end()) + (second != state.end()) + (count != state.end());
    if (found == 0) continue;
    if (found != 3) return input_error("The optimizer's state is not whole.", where + ": " + name);
    const torch::Tensor& tensor = tensors_[i].tensor;
    if (first->second.sizes() != tensor.sizes() || second->second.sizes() != tensor.sizes() ||
        count->second.numel() != 1 || count->second.scalar_type() != torch::kInt64) {
      return input_error(
          "The optimizer's state does not have the shape of the weight that it belongs to.",
          where + ": " + name);
    }
    const auto options = tensor.options().dtype(torch::kFloat32).requires_grad(false);
    const auto take = [&](const torch::Tensor& moment) {
      return moment.to(options, /*non_blocking=*/false, /*copy=*/moment.use_count() > 1);
    };
    states[i].exp_avg = take(first->second);
    states[i].exp_avg_sq = take(second->second);
    states[i].step = count->second.item<std::int64_t>();
    used += 3;
  }
  if (used != state.size())
    return input_error("The optimizer's state names tensors that this run does not train.", where);
  states_ = std::move(states);
  return {};
}

double gradient_norm(const std::vector<TrainedTensor>& tensors) {
  const torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> gradients;
  for (const TrainedTensor& trained : tensors) {
    if (trained.tensor.grad().defined()) gradients.push_back(trained.tensor.grad());
  }
  if (gradients.empty()) return 0;
  const std::vector<torch::Tensor> norms = at::_foreach_norm(gradients, 2, torch::kFloat32);
  return torch::stack(norms).norm().item<double>();
}

void clip_gradients(const std::vector<TrainedTensor>& tensors, double norm, double max_norm) {
  if (max_norm <= 0) return;
  // float32, as torch computes the coefficient from the norm's tensor
  const float coefficient =
      std::min(1.0f, static_cast<float>(max_norm) / (static_cast<float>(norm) + 1e-6f));
  if (coefficient >= 1.0f) return;  // multiplying by one changes nothing
  const torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> gradients;
  for (const TrainedTensor& trained : tensors) {
    if (trained.tensor.grad().defined()) gradients.push_back(trained.tensor.grad());
  }
  at::_foreach_mul_(gradients, coefficient);
}

}  // namespace luthier
