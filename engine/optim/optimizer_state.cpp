// SPDX-License-Identifier: GPL-3.0-or-later
// An optimizer's state as a checkpoint has it, and back. Where another point is shown than the one
// that trains, the trained one stands here: as the master, or as "NAME.point".
#include <utility>

#include "engine/optim/masters.h"
#include "engine/optim/optimizer.h"

namespace luthier {
namespace {

constexpr const char *kMaster = ".master", *kStep = ".step", *kPoint = ".point";

}  // namespace

std::map<std::string, torch::Tensor> Optimizer::state() const {
  std::map<std::string, torch::Tensor> result = more_state();
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const Kept& kept = kept_[i];
    if (kept.step == 0) continue;
    const std::string& name = tensors_[i].name;
    for (std::size_t k = 0; k < kept.layout.size(); ++k)
      result[name + "." + kept.layout[k].name] = kept.tensors[k];
    if (kept.master.defined())
      result[name + kMaster] = kept.master;
    else if (has_averages())
      result[name + kPoint] = point_of(i).detach();
    result[name + kStep] = torch::tensor({kept.step}, torch::kInt64);
  }
  return result;
}

Status Optimizer::read_tensor(std::size_t i, const std::map<std::string, torch::Tensor>& state,
                              const std::string& where, Kept& read, torch::Tensor& point,
                              std::set<std::string>& used) const {
  const torch::Tensor& tensor = tensors_[i].tensor;
  const std::string& name = tensors_[i].name;
  const bool mastered = needs_master(tensor), averaged = has_averages() && !mastered;
  const auto count = state.find(name + kStep), shown = state.find(name + kPoint);
  std::size_t found = count != state.end();
  for (const StateTensor& kept : read.layout) found += state.count(name + "." + kept.name);
  if (averaged) found += shown != state.end();
  if (found == 0) return {};
  if (found != read.layout.size() + 1 + (averaged ? 1 : 0))
    return input_error("The optimizer's state is not whole.", where + ": " + name);
  bool fits = count->second.numel() == 1 && count->second.scalar_type() == torch::kInt64;
  for (const StateTensor& kept : read.layout)
    fits = fits && state.at(name + "." + kept.name).sizes() == kept.shape;
  const auto master = mastered ? state.find(name + kMaster) : state.end();
  if (master != state.end()) fits = fits && master->second.sizes() == tensor.sizes();
  if (averaged) fits = fits && shown->second.sizes() == tensor.sizes();
  if (!fits) {
    return input_error(
        "The optimizer's state does not have the shape of the weight that it belongs to.",
        where + ": " + name);
  }
  const auto taken = [](const torch::Tensor& stored, const torch::TensorOptions& options) {
    return stored.to(options, /*non_blocking=*/false, /*copy=*/stored.use_count() > 1);
  };
  const auto as_master = tensor.options().dtype(torch::kFloat32).requires_grad(false);
  for (const StateTensor& kept : read.layout)
    read.tensors.push_back(taken(state.at(name + "." + kept.name), options_of(kept, tensor)));
  read.made = true;
  if (master != state.end())
    read.master = taken(master->second, as_master);
  else if (mastered)
    read.master = float32_copy(tensor);
  if (averaged) point = shown->second;
  if (has_averages() && mastered) point = read.master;
  read.step = count->second.item<std::int64_t>();
  for (const StateTensor& kept : read.layout) used.insert(name + "." + kept.name);
  used.insert(name + kStep);
  if (master != state.end()) used.insert(name + kMaster);
  if (averaged) used.insert(name + kPoint);
  return {};
}

Status Optimizer::take_more(const std::map<std::string, torch::Tensor>& rest, bool /*any*/,
                            const std::string& where) {
  if (rest.empty()) return {};
  return input_error("The optimizer's state names tensors that this run does not train.", where);
}

void Optimizer::make_room_for(const std::function<bool(const std::string&)>& stores) {
  for (std::size_t i = 0; i < tensors_.size(); ++i)
    if (stores(tensors_[i].name + kMaster)) kept_[i].master.reset();
}

Status Optimizer::load_state(std::map<std::string, torch::Tensor> state, const std::string& where) {
  const torch::NoGradGuard no_grad;
  std::vector<Kept> read(tensors_.size());
  std::vector<torch::Tensor> points(tensors_.size());
  std::set<std::string> used;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    read[i].layout = kept_[i].layout;
    LUTHIER_CHECK(read_tensor(i, state, where, read[i], points[i], used));
  }
  std::map<std::string, torch::Tensor> rest;
  for (const auto& [name, tensor] : state)
    if (!used.contains(name)) rest[name] = tensor;
  LUTHIER_CHECK(take_more(rest, !used.empty(), where));
  for (std::size_t i = 0; i < read.size(); ++i) {  // what never had a gradient keeps its own
    if (read[i].step == 0) read[i].master = kept_[i].master;
    if (points[i].defined()) torch::Tensor(tensors_[i].tensor).copy_(points[i]);
  }
  kept_ = std::move(read);
  return {};
}

}  // namespace luthier
