// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/optim/eight_bits.h"

#include <cmath>
#include <limits>
#include <map>
#include <mutex>

namespace luthier::eight_bits {
namespace {

using torch::Tensor;

/// Of a block: one over its largest number; 0 where it has none that could be divided by.
float inverse_of(float largest) {
  return largest >= std::numeric_limits<float>::min() ? 1.0F / largest : 0.0F;
}

struct Tables {
  Tensor map;      // [256] float32
  Tensor nearest;  // [65536] uint8
};

/// On a device, made there once.
const Tables& tables_on(torch::Device device, MapSign sign) {
  static std::mutex mutex;
  static std::map<std::pair<std::string, MapSign>, Tables> made;
  const std::lock_guard lock(mutex);
  Tables& here = made[{device.str(), sign}];
  if (!here.map.defined()) {
    const auto& nearest = nearest_in_map(sign);
    Tensor table = torch::empty({static_cast<std::int64_t>(nearest.size())}, torch::kUInt8);
    std::copy(nearest.begin(), nearest.end(), table.mutable_data_ptr<std::uint8_t>());
    here = {dynamic_map(sign).to(device), table.to(device)};
  }
  return here;
}

}  // namespace

void unpack_block(const std::uint8_t* codes, float largest, MapSign sign, float* numbers,
                  std::int64_t count) {
  const float* map = dynamic_map(sign).const_data_ptr<float>();
  for (std::int64_t i = 0; i < count; ++i) numbers[i] = map[codes[i]] * largest;
}

void pack_block(const float* numbers, std::uint8_t* codes, float& largest, MapSign sign,
                std::int64_t count) {
  const std::uint8_t* nearest = nearest_in_map(sign).data();
  float most = 0;
  for (std::int64_t i = 0; i < count; ++i) most = std::max(most, std::abs(numbers[i]));
  largest = most;
  const float inverse = inverse_of(most);
  for (std::int64_t i = 0; i < count; ++i)
    codes[i] = inverse > 0 ? nearest[step_in_map(numbers[i] * inverse)] : std::uint8_t{0};
}

void widen_block(const Tensor& gradient, std::int64_t first, std::int64_t count, float* numbers) {
  if (gradient.scalar_type() == torch::kBFloat16) {
    const auto* from = gradient.const_data_ptr<at::BFloat16>() + first;
    for (std::int64_t i = 0; i < count; ++i) numbers[i] = static_cast<float>(from[i]);
    return;
  }
  std::copy_n(gradient.const_data_ptr<float>() + first, count, numbers);
}

Tensor unpacked(const Tensor& codes, const Tensor& largest, MapSign sign) {
  const Tensor& map = tables_on(codes.device(), sign).map;
  return map.index_select(0, codes.to(torch::kInt))
      .view({largest.numel(), -1})
      .mul_(largest.unsqueeze(1));
}

void pack(const Tensor& numbers, Tensor codes, Tensor largest, MapSign sign) {
  const Tensor& nearest = tables_on(codes.device(), sign).nearest;
  const Tensor most = numbers.abs().amax(1);  // [blocks]
  const Tensor usable = most >= std::numeric_limits<float>::min();
  const Tensor inverse = most.reciprocal().masked_fill_(usable.logical_not(), 0);
  const Tensor steps = numbers.mul(inverse.unsqueeze(1))
                           .add_(1)
                           .mul_(32767.5)
                           .add_(0.5)
                           .clamp_(0, 65535)
                           .to(torch::kInt);
  const Tensor found =
      nearest.index_select(0, steps.view({-1})).view(numbers.sizes()).mul_(usable.unsqueeze(1));
  largest.copy_(most);
  codes.copy_(found.view({-1}));
}

}  // namespace luthier::eight_bits
