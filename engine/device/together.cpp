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

/// Host tensors that lie one after another.
struct Laid {
  std::vector<torch::Tensor*> tensors;
  std::int64_t bytes = 0;

  /// Those of `all` that are not there yet; what cannot go with others goes by itself.
  Laid(const std::vector<torch::Tensor*>& all, torch::Device device) {
    for (torch::Tensor* tensor : all) {
      if (!tensor->defined() || tensor->device() == device) continue;
      if (!tensor->is_cpu() || tensor->numel() == 0) {
        *tensor = tensor->to(device);
        continue;
      }
      tensors.push_back(tensor);
      bytes += room_of(*tensor);
    }
  }
  void write(std::uint8_t* to) const {
    for (const torch::Tensor* tensor : tensors) {
      const torch::Tensor flat = tensor->contiguous();
      std::memcpy(to, flat.const_data_ptr(), flat.nbytes());
      to += room_of(flat);
    }
  }
  /// Makes them views of `block`, in which they lie from its beginning.
  void take_from(const torch::Tensor& block) const {
    std::int64_t begin = 0;
    for (torch::Tensor* tensor : tensors) {
      const auto size = static_cast<std::int64_t>(tensor->nbytes());
      const std::int64_t room = room_of(*tensor);
      *tensor =
          block.slice(0, begin, begin + size).view(tensor->scalar_type()).view(tensor->sizes());
      begin += room;
    }
  }
};

}  // namespace

void move_with_brief(const std::vector<torch::Tensor*>& lasting,
                     const std::vector<torch::Tensor*>& brief, torch::Device device) {
  const Laid stays(lasting, device), goes(brief, device);
  if (stays.tensors.empty() && goes.tensors.empty()) return;
  const auto options = torch::TensorOptions().dtype(torch::kUInt8);
  const torch::Tensor here =
      torch::empty({stays.bytes + goes.bytes}, options.pinned_memory(device.is_cuda()));
  auto* to = here.mutable_data_ptr<std::uint8_t>();
  stays.write(to);
  goes.write(to + stays.bytes);
  const torch::Tensor there = here.to(device, /*non_blocking=*/true);
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

}  // namespace luthier
