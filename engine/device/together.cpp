// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/device/together.h"

#include <cstring>

namespace luthier {

namespace {

/// Each tensor begins at a multiple of this, which any type and any kernel takes.
constexpr std::int64_t kBeginning = 256;

std::int64_t room_of(const torch::Tensor& tensor) {
  const auto bytes = static_cast<std::int64_t>(tensor.nbytes());
  return (bytes + kBeginning - 1) / kBeginning * kBeginning;
}

}  // namespace

void move_together(const std::vector<torch::Tensor*>& tensors, torch::Device device) {
  std::vector<torch::Tensor*> packed;
  std::int64_t bytes = 0;
  for (torch::Tensor* tensor : tensors) {
    if (!tensor->defined() || tensor->device() == device) continue;
    if (!tensor->is_cpu() || tensor->numel() == 0) {
      *tensor = tensor->to(device);
      continue;
    }
    packed.push_back(tensor);
    bytes += room_of(*tensor);
  }
  if (packed.empty()) return;
  const auto options = torch::TensorOptions().dtype(torch::kUInt8);
  const torch::Tensor here = torch::empty({bytes}, options.pinned_memory(device.is_cuda()));
  auto* to = here.mutable_data_ptr<std::uint8_t>();
  for (const torch::Tensor* tensor : packed) {
    const torch::Tensor flat = tensor->contiguous();
    std::memcpy(to, flat.const_data_ptr(), flat.nbytes());
    to += room_of(flat);
  }
  const torch::Tensor there = here.to(device, /*non_blocking=*/true);
  std::int64_t begin = 0;
  for (torch::Tensor* tensor : packed) {
    const auto size = static_cast<std::int64_t>(tensor->nbytes());
    const std::int64_t room = room_of(*tensor);
    *tensor = there.slice(0, begin, begin + size).view(tensor->scalar_type()).view(tensor->sizes());
    begin += room;
  }
}

}  // namespace luthier
