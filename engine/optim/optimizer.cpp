// SPDX-License-Identifier: GPL-3.0-or-later
// Groups, state and steps of every optimizer; its checkpoints are in optimizer_state.cpp.
#include "engine/optim/optimizer.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "engine/config/kinds.h"
#include "engine/optim/masters.h"

namespace luthier {
namespace {

constexpr std::int64_t kPageStart = 256;  // a page's bytes begin at a multiple of this

std::int64_t rounded_up(std::int64_t bytes) {
  return (bytes + kPageStart - 1) / kPageStart * kPageStart;
}

/// Of a tensor's state, what waits elsewhere than the tensor itself.
bool is_paged(const torch::Tensor& kept, const torch::Tensor& trained) {
  return kept.device() != trained.device();
}

}  // namespace

Optimizer::Optimizer(std::vector<TrainedTensor> tensors, const Recipe& recipe)
    : Optimizer(std::move(tensors), state_layout(recipe), recipe.training.weight_decay) {}

Optimizer::Optimizer(std::vector<TrainedTensor> tensors, const StateLayout& layout,
                     double weight_decay)
    : tensors_(std::move(tensors)), weight_decay_(weight_decay), kept_(tensors_.size()) {
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    kept_[i].layout = layout(tensors_[i].shape());
    for (const StateTensor& kept : kept_[i].layout)
      pages_ = pages_ || (kept.paged && !tensors_[i].tensor.is_cpu());
    if (needs_master(tensors_[i].tensor)) kept_[i].master = tensors_[i].master;
    tensors_[i].master.reset();
  }
}

void Optimizer::make_missing_state() {
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const torch::Tensor& tensor = tensors_[i].tensor;
    Kept& here = kept_[i];
    if (!tensor.grad().defined()) continue;
    if (needs_master(tensor) && !here.master.defined()) here.master = float32_copy(tensor);
    if (here.made) continue;
    std::vector<torch::Tensor> made;
    for (const StateTensor& kept : here.layout)
      made.push_back(torch::zeros(kept.shape, options_of(kept, tensor)));
    here.tensors = std::move(made);
    here.made = true;
  }
}

/// On the device, for the pages of a round: [bytes] uint8; undefined: nothing is paged.
torch::Tensor Optimizer::room_for_pages() const {
  if (!pages_) return {};
  std::int64_t largest = 0, all = 0;
  torch::Tensor on;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    if (!tensors_[i].tensor.grad().defined()) continue;
    std::int64_t bytes = 0;
    for (const torch::Tensor& kept : kept_[i].tensors) {
      if (is_paged(kept, tensors_[i].tensor))
        bytes += rounded_up(static_cast<std::int64_t>(kept.nbytes()));
    }
    if (bytes > 0) on = tensors_[i].tensor;
    largest = std::max(largest, bytes);
    all += bytes;
  }
  if (all == 0) return {};
  return torch::empty({std::max(largest, std::min(all, kPagedBytes))},
                      on.options().dtype(torch::kUInt8).requires_grad(false));
}

void Optimizer::step(double learning_rate) {
  const torch::NoGradGuard no_grad;
  make_missing_state();
  const torch::Tensor room = room_for_pages();
  std::map<
      std::tuple<bool, double, std::int64_t, torch::ScalarType, torch::ScalarType, std::size_t>,
      Group>
      groups;
  std::vector<std::size_t> moved;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const TrainedTensor& trained = tensors_[i];
    if (!trained.tensor.grad().defined()) continue;
    const Kept& kept = kept_[i];
    const std::int64_t step = kept.step + 1;
    Group& group = groups[{trained.decay, trained.rate, step, trained.tensor.scalar_type(),
                           trained.tensor.grad().scalar_type(), kept.tensors.size()}];
    group.rate = learning_rate * trained.rate;
    group.decay = trained.decay ? weight_decay_ : 0;
    group.step = step;
    const bool has_master = kept.master.defined();
    group.members.push_back({has_master ? kept.master : trained.tensor, trained.tensor.grad(),
                             kept.tensors, has_master ? trained.tensor : torch::Tensor()});
    moved.push_back(i);
  }
  begin_step(learning_rate);
  whole_ = false;
  for (auto& [key, group] : groups) move(group, room);
  for (const std::size_t i : moved) {
    torch::autograd::impl::bump_version(tensors_[i].tensor);  // a kernel of ours would not
    ++kept_[i].step;
  }
  end_step();
  whole_ = true;
}

/// One round of the group after another, each as many members as have room for their pages.
void Optimizer::move(Group& group, const torch::Tensor& room) {
  if (!room.defined()) return move_here(group);
  struct Page {
    torch::Tensor there, here;
  };
  for (std::size_t first = 0; first < group.members.size();) {
    Group round{group.rate, group.decay, group.step, {}};
    std::vector<Page> pages;
    std::int64_t used = 0;
    for (; first < group.members.size(); ++first) {
      Moved member = group.members[first];
      std::int64_t wanted = 0;
      for (const torch::Tensor& kept : member.state) {
        if (is_paged(kept, member.parameter))
          wanted += rounded_up(static_cast<std::int64_t>(kept.nbytes()));
      }
      if (!round.members.empty() && used + wanted > room.numel()) break;
      for (torch::Tensor& kept : member.state) {
        if (!is_paged(kept, member.parameter)) continue;
        const auto bytes = static_cast<std::int64_t>(kept.nbytes());
        const torch::Tensor here =
            room.narrow(0, used, bytes).view(kept.scalar_type()).view(kept.sizes());
        here.copy_(kept);
        used += rounded_up(bytes);
        pages.push_back({std::exchange(kept, here), here});
      }
      round.members.push_back(std::move(member));
    }
    move_here(round);
    for (Page& page : pages) page.there.copy_(page.here);
  }
}

void Optimizer::move_here(Group& group) {
  auto& members = group.members;
  members.erase(members.begin(),
                members.begin() + static_cast<std::ptrdiff_t>(update_with_kernels(group)));
  if (!members.empty()) update(group);
  for (const Moved& each : members)
    if (each.rounded.defined()) torch::Tensor(each.rounded).copy_(each.parameter);
}

std::size_t Optimizer::update_with_kernels(const Group&) { return 0; }

torch::Tensor Optimizer::average_of(const torch::Tensor& trained,
                                    const std::vector<torch::Tensor>&) const {
  return trained;
}

/// What trains, wherever it stands now: in float32, or the tensor itself where it has no master.
const torch::Tensor& Optimizer::point_of(std::size_t i) const {
  const Kept& kept = kept_[i];
  return kept.master.defined()    ? kept.master
         : kept.trained.defined() ? kept.trained
                                  : tensors_[i].tensor;
}

void Optimizer::show_averages() {
  if (!has_averages() || shown_++ > 0) return;
  const torch::NoGradGuard no_grad;
  try {
    for (std::size_t i = 0; i < kept_.size(); ++i) {
      Kept& kept = kept_[i];
      if (kept.step == 0) continue;
      torch::Tensor tensor = tensors_[i].tensor;
      const torch::Tensor average = average_of(point_of(i), kept.tensors);
      kept.trained = kept.master.defined() ? kept.master : tensor.detach().clone();
      tensor.copy_(average);
    }
  } catch (...) {
    show_trained();
    throw;
  }
}

void Optimizer::show_trained() {
  if (!has_averages() || --shown_ > 0) return;
  const torch::NoGradGuard no_grad;
  for (std::size_t i = 0; i < kept_.size(); ++i) {
    if (!kept_[i].trained.defined()) continue;
    torch::Tensor(tensors_[i].tensor).copy_(kept_[i].trained);
    kept_[i].trained.reset();
  }
}

void Optimizer::clear_gradients() {
  for (TrainedTensor& trained : tensors_) trained.tensor.mutable_grad().reset();
}

std::int64_t Optimizer::state_bytes() const {
  std::int64_t bytes = 0;
  for (std::size_t i = 0; i < kept_.size(); ++i) {
    const Kept& kept = kept_[i];
    for (const torch::Tensor& tensor : kept.tensors) {
      if (!is_paged(tensor, tensors_[i].tensor))
        bytes += static_cast<std::int64_t>(tensor.nbytes());
    }
    if (kept.master.defined()) bytes += static_cast<std::int64_t>(kept.master.nbytes());
  }
  return bytes;
}

std::int64_t Optimizer::paged_bytes() const {
  std::int64_t bytes = 0;
  for (std::size_t i = 0; i < kept_.size(); ++i) {
    for (const torch::Tensor& tensor : kept_[i].tensors) {
      if (is_paged(tensor, tensors_[i].tensor)) bytes += static_cast<std::int64_t>(tensor.nbytes());
    }
  }
  return bytes;
}

std::map<std::string, torch::Tensor> Optimizer::masters() const {
  const torch::NoGradGuard no_grad;
  std::map<std::string, torch::Tensor> masters;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const Kept& kept = kept_[i];
    if (!kept.master.defined()) continue;
    masters[tensors_[i].name] =
        kept.trained.defined() ? average_of(kept.master, kept.tensors) : kept.master;
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

}  // namespace luthier
