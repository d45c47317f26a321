// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/device/together.h"

#include <cstring>

#include "engine/device/brief_tensors.h"

namespace luthier {

namespace {

/// Each tensor begins at a multiple of this, which any type and any kernel takes.
constexpr std::int64_t kBeginning = 256;

std::int64_t room_of(const torch::Tensor& tensor) {
  const auto bytes = static_cast<std::int64_t>(tensor.nbytes());
  return (bytes + kBeginning - 1) / kBeginning * kBeginning;
}

/// One behind another, in memory that `device` copies from without a wait: [bytes] uint8.
torch::Tensor packed(const std::vector<torch::Tensor>& tensors, torch::Device device) {
  std::int64_t bytes = 0;
  for (const torch::Tensor& tensor : tensors) bytes += room_of(tensor);
  const auto options = torch::TensorOptions().dtype(torch::kUInt8);
  torch::Tensor here = torch::empty({bytes}, options.pinned_memory(device.is_cuda()));
  auto* to = here.mutable_data_ptr<std::uint8_t>();
  for (const torch::Tensor& tensor : tensors) {
    const torch::Tensor flat = tensor.contiguous();
    std::memcpy(to, flat.const_data_ptr(), flat.nbytes());
    to += room_of(flat);
  }
  return here;
}

/// Where they lie in such a block.
std::vector<torch::Tensor> places_in(const torch::Tensor& block,
                                     const std::vector<torch::Tensor>& tensors) {
  std::vector<torch::Tensor> places;
  std::int64_t begin = 0;
  for (const torch::Tensor& tensor : tensors) {
    const auto size = static_cast<std::int64_t>(tensor.nbytes());
    places.push_back(
        block.slice(0, begin, begin + size).view(tensor.scalar_type()).view(tensor.sizes()));
    begin += room_of(tensor);
  }
  return places;
}

/// Tensors of the host that go to a device together.
struct Moved {
  std::vector<torch::Tensor*> wanted;
  std::vector<torch::Tensor> here;
  std::int64_t bytes = 0;

  /// Those of `all` that are not there yet; what cannot go with others goes by itself.
  Moved(const std::vector<torch::Tensor*>& all, torch::Device device) {
    for (torch::Tensor* tensor : all) {
      if (!tensor->defined() || tensor->device() == device) continue;
      if (!tensor->is_cpu() || tensor->numel() == 0) {
        *tensor = tensor->to(device);
        continue;
      }
      wanted.push_back(tensor);
      here.push_back(*tensor);
      bytes += room_of(*tensor);
    }
  }
  /// Makes them views of `block`, in which they lie from its beginning.
  void take_from(const torch::Tensor& block) const {
    const std::vector<torch::Tensor> places = places_in(block, here);
    for (std::size_t i = 0; i < wanted.size(); ++i) *wanted[i] = places[i];
  }
};

}  // namespace

void move_with_brief(const std::vector<torch::Tensor*>& lasting,
                     const std::vector<torch::Tensor*>& brief, torch::Device device) {
  const Moved stays(lasting, device), goes(brief, device);
  std::vector<torch::Tensor> all = stays.here;
  all.insert(all.end(), goes.here.begin(), goes.here.end());
  if (all.empty()) return;
  const torch::Tensor there = packed(all, device).to(device, /*non_blocking=*/true);
  if (stays.bytes == 0 || goes.bytes == 0) {
    stays.take_from(there), goes.take_from(there);
    return;
  }
  stays.take_from(there.slice(0, 0, stays.bytes).clone());
  goes.take_from(there.slice(0, stays.bytes));
}

void move_together(const std::vector<torch::Tensor*>& tensors, torch::Device device) {
  move_with_brief(tensors, {}, device);
}

StandingBlock::StandingBlock(const std::vector<torch::Tensor>& like, torch::Device device,
                             const torch::Tensor& room)
    : room_(room) {
  std::int64_t bytes = 0;
  for (const torch::Tensor& tensor : like) bytes += room_of(tensor);
  if (!room_.defined() || room_.numel() < bytes)
    room_ = torch::empty({bytes}, torch::TensorOptions().device(device).dtype(torch::kUInt8));
  tensors_ = places_in(room_, like);
}

void StandingBlock::fill(const std::vector<torch::Tensor>& from) {
  TORCH_CHECK(from.size() == tensors_.size(), "the block has other tensors");
  std::vector<torch::Tensor> here;
  for (std::size_t i = 0; i < from.size(); ++i) {
    TORCH_CHECK(from[i].sizes() == tensors_[i].sizes() &&
                    from[i].scalar_type() == tensors_[i].scalar_type(),
                "the block has tensors of other sizes");
    if (from[i].is_cpu()) {
      TORCH_CHECK(here.size() == i, "what comes from the host stands first");
      here.push_back(from[i]);
    } else {
      tensors_[i].copy_(from[i]);
    }
  }
  const torch::Tensor packs = packed(here, room_.device());
  room_.narrow(0, 0, packs.numel()).copy_(packs, /*non_blocking=*/true);
}

}  // namespace luthier
