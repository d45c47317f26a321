// SPDX-License-Identifier: GPL-3.0-or-later
// A layout's bytes.
#include "engine/optim/state_layout.h"

namespace luthier {

std::int64_t state_bytes(StateLayout layout, const std::vector<std::int64_t>& shape) {
  std::int64_t bytes = 0;
  for (const StateTensor& kept : layout(shape)) {
    std::int64_t size = kept.type == StateTensor::Type::Float32 ? 4 : 1;
    for (const std::int64_t extent : kept.shape) size *= extent;
    bytes += size;
  }
  return bytes;
}

}  // namespace luthier
