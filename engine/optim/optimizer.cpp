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

constexpr const char* kMaster = ".master";

/// Also of a tensor that does not lie in one piece, which the kernels of lists ask for.
bool needs_master(const torch::Tensor& tensor) {
  return tensor.scalar_type() != torch::kFloat32 || !tensor.is_contiguous();
}

torch::Tensor float32_copy(const torch::Tensor& tensor) {
  return tensor.detach().to(torch::kFloat32, /*non_blocking=*/false, /*copy=*/true).contiguous();
}

}  // namespace

Optimizer::Optimizer(std::vector<TrainedTensor> tensors, const std::string& name,
                     double weight_decay)
    : Optimizer(std::move(tensors), optimizer_kind(name).state, weight_decay) {}

Optimizer::Optimizer(std::vector<TrainedTensor> tensors, StateLayout layout, double weight_decay)
    : tensors_(std::move(tensors)),
      layout_(layout),
      weight_decay_(weight_decay),
      kept_(tensors_.size()) {
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    if (needs_master(tensors_[i].tensor)) kept_[i].master = tensors_[i].master;
    tensors_[i].master.reset();
  }
}

void Optimizer::make_missing_state() {
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const torch::Tensor& tensor = tensors_[i].tensor;
    if (!tensor.grad().defined()) continue;
    if (needs_master(tensor) && !kept_[i].master.defined()) kept_[i].master = float32_copy(tensor);
    if (!kept_[i].tensors.empty()) continue;
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
  std::map<std::tuple<bool, double, std::int64_t, torch::ScalarType, torch::ScalarType>, Group>
      groups;
  std::vector<std::size_t> moved;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const TrainedTensor& trained = tensors_[i];
    if (!trained.tensor.grad().defined()) continue;
    const Kept& kept = kept_[i];
    const std::int64_t step = kept.step + 1;
    Group& group = groups[{trained.decay, trained.rate, step, trained.tensor.scalar_type(),
                           trained.tensor.grad().scalar_type()}];
    group.rate = learning_rate * trained.rate;
    group.decay = trained.decay ? weight_decay_ : 0;
    group.step = step;
    const bool has_master = kept.master.defined();
    group.members.push_back({has_master ? kept.master : trained.tensor, trained.tensor.grad(),
                             kept.tensors, has_master ? trained.tensor : torch::Tensor()});
    moved.push_back(i);
  }
  whole_ = false;
  for (auto& [key, group] : groups) {
    auto& members = group.members;
    members.erase(members.begin(),
                  members.begin() + static_cast<std::ptrdiff_t>(update_with_kernels(group)));
    if (!members.empty()) update(group);
  }
  for (const auto& [key, group] : groups) {
    for (const Moved& each : group.members)
      if (each.rounded.defined()) torch::Tensor(each.rounded).copy_(each.parameter);
  }
  for (const std::size_t i : moved) {
    torch::autograd::impl::bump_version(tensors_[i].tensor);  // a kernel of ours would not
    ++kept_[i].step;
  }
  whole_ = true;
}

std::size_t Optimizer::update_with_kernels(const Group&) { return 0; }

void Optimizer::clear_gradients() {
  for (TrainedTensor& trained : tensors_) trained.tensor.mutable_grad().reset();
}

std::int64_t Optimizer::state_bytes() const {
  std::int64_t bytes = 0;
  for (const Kept& kept : kept_) {
    for (const torch::Tensor& tensor : kept.tensors)
      bytes += static_cast<std::int64_t>(tensor.nbytes());
    if (kept.master.defined()) bytes += static_cast<std::int64_t>(kept.master.nbytes());
  }
  return bytes;
}

std::map<std::string, torch::Tensor> Optimizer::masters() const {
  std::map<std::string, torch::Tensor> masters;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    if (kept_[i].master.defined()) masters[tensors_[i].name] = kept_[i].master;
  }
  return masters;
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
    if (kept_[i].master.defined()) result[name + kMaster] = kept_[i].master;
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
    const auto master = needs_master(tensor) ? state.find(name + kMaster) : state.end();
    if (master != state.end()) fits = fits && master->second.sizes() == tensor.sizes();
    if (!fits) {
      return input_error(
          "The optimizer's state does not have the shape of the weight that it belongs to.",
          where + ": " + name);
    }
    const auto taken = [&](const torch::Tensor& stored, torch::ScalarType type) {
      return stored.to(tensor.options().dtype(type).requires_grad(false), /*non_blocking=*/false,
                       /*copy=*/stored.use_count() > 1);
    };
    for (const StateTensor& kept : layout)
      read[i].tensors.push_back(taken(state.at(name + "." + kept.name), scalar_type(kept.type)));
    if (master != state.end())
      read[i].master = taken(master->second, torch::kFloat32);
    else if (needs_master(tensor))
      read[i].master = float32_copy(tensor);
    read[i].step = count->second.item<std::int64_t>();
    used += found + (master != state.end());
  }
  if (used != state.size())
    return input_error("The optimizer's state names tensors that this run does not train.", where);
  for (std::size_t i = 0; i < read.size(); ++i) {  // what never had a gradient keeps its own
    if (read[i].step == 0) read[i].master = kept_[i].master;
  }
  kept_ = std::move(read);
  return {};
}

}  // namespace luthier
