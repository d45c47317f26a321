// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/config/optimizer_state.h"

#include <utility>

namespace luthier {
namespace {

std::int64_t numbers_in(const std::vector<std::int64_t>& sizes) {
  std::int64_t numbers = 1;
  for (const std::int64_t size : sizes) numbers *= size;
  return numbers;
}

}  // namespace

std::int64_t TrainedShape::numbers() const { return numbers_in(sizes); }

std::int64_t StateTensor::bytes() const {
  return numbers_in(shape) * (type == Type::Float32 ? 4 : 1);
}

std::int64_t state_bytes(const StateLayout& layout, const TrainedShape& shape) {
  std::int64_t bytes = 0;
  for (const StateTensor& kept : layout(shape)) bytes += kept.bytes();
  return bytes;
}

std::int64_t paged_bytes(const StateLayout& layout, const TrainedShape& shape) {
  std::int64_t bytes = 0;
  for (const StateTensor& kept : layout(shape)) bytes += kept.paged ? kept.bytes() : 0;
  return bytes;
}

bool has_eight_bits(const TrainedShape& shape) {
  return shape.use != TensorUse::Embedding && shape.numbers() >= kLeastEightBit;
}

std::vector<StateTensor> eight_bit_moments(const TrainedShape& shape,
                                           const std::vector<std::string>& moments) {
  std::vector<StateTensor> kept;
  const std::int64_t blocks = (shape.numbers() + kMomentBlock - 1) / kMomentBlock;
  for (const std::string& name : moments) {
    if (!has_eight_bits(shape)) {
      kept.push_back({name, shape.sizes});
      continue;
    }
    kept.push_back({name, shape.sizes, StateTensor::Type::UInt8});
    kept.push_back({name + "_absmax", {blocks}});
  }
  return kept;
}

std::vector<StateTensor> in_pages(const TrainedShape& shape, std::vector<StateTensor> tensors) {
  constexpr std::int64_t kLeastPaged = 100'000;
  for (StateTensor& kept : tensors) kept.paged = shape.numbers() >= kLeastPaged;
  return tensors;
}

}  // namespace luthier
