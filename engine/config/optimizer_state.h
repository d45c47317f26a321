// SPDX-License-Identifier: GPL-3.0-or-later
// Which tensors an optimizer keeps for a trained one, from its shape alone: allocation, the names
// in a checkpoint, the checks when one is read, and the forecast all follow it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace luthier {

/// One tensor beside a trained one.
struct StateTensor {
  enum class Type { Float32, UInt8 };
  std::string name;  ///< stands behind the trained tensor's name in a checkpoint
  std::vector<std::int64_t> shape;
  Type type = Type::Float32;
};

/// For a trained tensor of this shape.
using StateLayout = std::vector<StateTensor> (*)(const std::vector<std::int64_t>& shape);

/// Gradients that are narrower than what they move are widened one after another, until a step's
/// kernel has so many bytes of them.
inline constexpr std::int64_t kWidenedBytes = 16 << 20;

/// Bytes of all tensors that the layout has for a trained one of this shape.
std::int64_t state_bytes(StateLayout layout, const std::vector<std::int64_t>& shape);

}  // namespace luthier
