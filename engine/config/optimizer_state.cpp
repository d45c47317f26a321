// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/config/optimizer_state.h"

namespace luthier {

std::int64_t state_bytes(StateLayout layout, const std::vector<std::int64_t>& shape) {
  std::int64_t bytes = 0;
  for (const StateTensor& kept : layout(shape)) {
    std::int64_t size = kept.type == StateTensor::Type::Float32 ? 4 : 1;
    for (const std::int64_t side : kept.shape) size *= side;
    bytes += size;
  }
  return bytes;
}

}  // namespace luthier
