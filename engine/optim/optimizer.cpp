// SPDX-License-Identifier: GPL-3.0-or-later
// Groups, state and checkpoints of every optimizer.
#include "engine/optim/optimizer.h"

#include <tuple>
#include <utility>

#include "engine/config/kinds.h"

namespace luthier {
namespace {

torch::ScalarType scalar_type(StateTensor::Type type) {
  return type == StateTensor::Type::UInt8 ? torch::kUInt8 : torch::kFloat32;
}

}  // namespace

Optimizer::Optimizer(std::vector<TrainedTensor> tensors, const std::string& name,
                     double weight_decay)
    : Optimizer(std::move(tensors), optimizer_kind(name).state, weight_decay) {}

Optimizer::Optimizer(std::vector<TrainedTensor> tensors, StateLayout layout, double weight_decay)
    : tensors_(std::move(tensors)),
      layout_(layout),
      weight_decay_(weight_decay),
      kept_(tensors_.size()) {}

void Optimizer::make_missing_state() {
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const torch::Tensor& tensor = tensors_[i].tensor;
    if (!tensor.grad().defined() || !kept_[i].tensors.empty()) continue;
    std::vector<torch::Tensor> made;
    for (const StateTensor& kept : layout_(tensor.sizes().vec())) {
      const auto options = tensor.options().dtype(scalar_type(kept.type)).requires_grad(false);
      made.push_back(torch::zeros(kept.shape, options));
    }
    kept_[i].tensors = std::move(made);
  }
}

void Optimizer::step(double learning_rate) {
  const torch::NoGradGuard no_grad;
  make_missing_state();
  std::map<std::tuple<bool, double, std::int64_t>, Group> groups;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const TrainedTensor& trained = tensors_[i];
    if (!trained.tensor.grad().defined()) continue;
    const std::int64_t step = ++kept_[i].step;
    Group& group = groups[{trained.decay, trained.rate, step}];
    group.rate = learning_rate * trained.rate;
    group.decay = trained.decay ? weight_decay_ : 0;
    group.step = step;
    group.members.push_back({trained.tensor, trained.tensor.grad(), kept_[i].tensors});
  }
  for (const auto& [key, group] : groups) update(group);
}

void Optimizer::clear_gradients() {
  for (TrainedTensor& trained : tensors_) trained.tensor.mutable_grad().reset();
}

std::int64_t Optimizer::state_bytes() const {
  std::int64_t bytes = 0;
  for (const Kept& kept : kept_) {
    for (const torch::Tensor& tensor : kept.tensors)
      bytes += static_cast<std::int64_t>(tensor.nbytes());
  }
  return bytes;
}

std::int64_t Optimizer::gradient_bytes() const {
  std::int64_t bytes = 0;
  for (const TrainedTensor& trained : tensors_) {
    if (trained.tensor.grad().defined())
      bytes += static_cast<std::int64_t>(trained.tensor.grad().nbytes());
  }
  return bytes;
}

std::map<std::string, torch::Tensor> Optimizer::state() const {
  std::map<std::string, torch::Tensor> result;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    if (kept_[i].step == 0) continue;
    const std::string& name = tensors_[i].name;
    const std::vector<StateTensor> layout = layout_(tensors_[i].tensor.sizes().vec());
    for (std::size_t k = 0; k < layout.size(); ++k)
      result[name + "." + layout[k].name] = kept_[i].tensors[k];
    result[name + ".step"] = torch::tensor({kept_[i].step}, torch::kInt64);
  }
  return result;
}

Status Optimizer::load_state(std::map<std::string, torch::Tensor> state, const std::string& where) {
  const torch::NoGradGuard no_grad;
  std::vector<Kept> read(tensors_.size());
  std::size_t used = 0;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const torch::Tensor& tensor = tensors_[i].tensor;
    const std::string& name = tensors_[i].name;
    const std::vector<StateTensor> layout = layout_(tensor.sizes().vec());
    const auto count = state.find(name + ".step");
    std::size_t found = count != state.end();
    for (const StateTensor& kept : layout) found += state.count(name + "." + kept.name);
    if (found == 0) continue;
    if (found != layout.size() + 1)
      return input_error("The optimizer's state is not whole.", where + ": " + name);
    bool fits = count->second.numel() == 1 && count->second.scalar_type() == torch::kInt64;
    for (const StateTensor& kept : layout)
      fits = fits && state.at(name + "." + kept.name).sizes() == kept.shape;
    if (!fits) {
      return input_error(
          "The optimizer's state does not have the shape of the weight that it belongs to.",
          where + ": " + name);
    }
    for (const StateTensor& kept : layout) {
      const torch::Tensor& stored = state.at(name + "." + kept.name);
      const auto options = tensor.options().dtype(scalar_type(kept.type)).requires_grad(false);
      read[i].tensors.push_back(
          stored.to(options, /*non_blocking=*/false, /*copy=*/stored.use_count() > 1));
    }
    read[i].step = count->second.item<std::int64_t>();
    used += found;
  }
  if (used != state.size())
    return input_error("The optimizer's state names tensors that this run does not train.", where);
  kept_ = std::move(read);
  return {};
}

}  // namespace luthier
