// SPDX-License-Identifier: GPL-3.0-or-later
// Every step is bitsandbytes' in its order.
#include "engine/nn/weights/nested_scales.h"

#include <algorithm>
#include <cmath>

#include "engine/device/parallel.h"
#include "engine/nn/weights/dynamic_map.h"

namespace luthier::bnb_4bit {

namespace {

using torch::Tensor;

/// The mean as one thread sums it, so that it depends on no machine's cores.
float mean_of(const Tensor& values) {
  float mean = 0;
  for_pieces(0, 1, 1, [&](std::int64_t, std::int64_t) {
    const torch::NoGradGuard no_grad;
    mean = values.mean().item<float>();
  });
  return mean;
}

}  // namespace

Scales Scales::to(torch::Device device) const {
  Scales moved = *this;
  for (Tensor* tensor : {&moved.values, &moved.nested, &moved.map})
    if (tensor->defined()) *tensor = tensor->to(device);
  return moved;
}

const float* Scales::plain(std::int64_t first, std::int64_t count, float* room) const {
  if (!packed()) return values.const_data_ptr<float>() + first;
  const std::uint8_t* codes = values.const_data_ptr<std::uint8_t>();
  const float *steps = map.const_data_ptr<float>(), *wholes = nested.const_data_ptr<float>();
  for (std::int64_t i = 0; i < count; ++i) {
    // Two statements, so that no compiler makes one rounding of the product and the sum.
    const float whole = steps[codes[first + i]] * wholes[(first + i) / nested_block];
    room[i] = whole + offset;
  }
  return room;
}

Tensor Scales::range(std::int64_t first, std::int64_t last) const {
  const Tensor own = values.slice(0, first, last);
  if (!packed()) return own;
  const auto places = torch::TensorOptions().dtype(torch::kInt64).device(own.device());
  const Tensor owner = torch::arange(first, last, places).div(nested_block, "floor");
  return map.index_select(0, own.to(torch::kInt64)) * nested.index_select(0, owner) + offset;
}

Scales pack_scales(const Tensor& plain) {
  Scales scales;
  scales.offset = mean_of(plain);
  scales.map = dynamic_map();
  const Tensor rest = plain - scales.offset;
  const std::int64_t count = plain.numel(), blocks = (count + kNestedBlock - 1) / kNestedBlock;
  scales.values = torch::empty({count}, torch::kUInt8);
  scales.nested = torch::empty({blocks}, torch::kFloat32);
  const float* from = rest.const_data_ptr<float>();
  auto* to = scales.values.data_ptr<std::uint8_t>();
  const std::vector<std::uint8_t>& nearest = nearest_in_map();
  for (std::int64_t block = 0; block < blocks; ++block) {
    const std::int64_t first = block * kNestedBlock, last = std::min(count, first + kNestedBlock);
    float largest = 0;
    for (std::int64_t i = first; i < last; ++i) largest = std::max(largest, std::abs(from[i]));
    scales.nested.data_ptr<float>()[block] = largest;
    const float inverse = 1.0F / largest;  // of nothing but zeros: endless, too
    for (std::int64_t i = first; i < last; ++i) {
      const float place = from[i] * inverse;
      // Zero times the endless inverse of the smallest numbers is none.
      to[i] = std::isnan(place) ? std::uint8_t{0} : nearest[step_in_map(place)];
    }
  }
  return scales;
}

}  // namespace luthier::bnb_4bit
