// SPDX-License-Identifier: GPL-3.0-or-later
// What packed weights of all kinds have in common on their way to dense numbers.
#pragma once

#include <algorithm>
#include <array>

#include "engine/device/parallel.h"
#include "engine/device/torch.h"

namespace luthier {

/// A tensor on the CPU whose numbers `fill` writes, given where they begin: as float32, bfloat16 or
/// float16. One of another type is made of float32.
template <class Fill>
torch::Tensor filled(at::IntArrayRef sizes, torch::ScalarType type, const Fill& fill) {
  const bool direct = type == torch::kBFloat16 || type == torch::kFloat16;
  torch::Tensor dense =
      torch::empty(sizes, torch::TensorOptions().dtype(direct ? type : torch::kFloat32));
  if (type == torch::kBFloat16)
    fill(dense.data_ptr<at::BFloat16>());
  else if (type == torch::kFloat16)
    fill(dense.data_ptr<at::Half>());
  else
    fill(dense.data_ptr<float>());
  return dense.to(type);
}

/// work(first, last) over the rows [begin, end), so many at a time as are worth a thread.
template <class Work>
void for_rows(std::int64_t begin, std::int64_t end, std::int64_t width, const Work& work) {
  constexpr std::int64_t kNumbers = 32768;
  for_pieces(begin, end, std::max<std::int64_t>(1, kNumbers / std::max<std::int64_t>(1, width)),
             work);
}

/// What the halves of each byte stand for, [256, 2] float32, the high one first.
inline torch::Tensor values_of_bytes(const std::array<float, 16>& values) {
  const torch::Tensor pairs = torch::empty({256, 2}, torch::kFloat32);
  float* to = pairs.mutable_data_ptr<float>();
  for (std::size_t byte = 0; byte < 256; ++byte) {
    *to++ = values[byte >> 4];
    *to++ = values[byte & 15];
  }
  return pairs;
}

}  // namespace luthier
