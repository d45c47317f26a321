// SPDX-License-Identifier: GPL-3.0-or-later
// Which tensors an optimizer keeps for a trained one, from its shape and what it is of: allocation,
// the names in a checkpoint, the checks when one is read, and the forecast all follow it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace luthier {

/// What a trained tensor is in its model, where an optimizer asks.
enum class TensorUse {
  Other,
  Matrix,    ///< the weight of a Linear inside the model, not of the head that makes logits
  Embedding  ///< rows that are looked up
};

struct TrainedShape {
  std::vector<std::int64_t> sizes;
  TensorUse use = TensorUse::Other;

  std::int64_t numbers() const;
};

/// One tensor beside a trained one.
struct StateTensor {
  enum class Type { Float32, UInt8 };
  std::string name;  ///< stands behind the trained tensor's name in a checkpoint
  std::vector<std::int64_t> shape;
  Type type = Type::Float32;
  bool paged = false;  ///< in the machine's memory where the trained tensor is on a device

  std::int64_t bytes() const;
};

/// For a trained tensor of this shape.
using StateLayout = std::function<std::vector<StateTensor>(const TrainedShape& shape)>;

/// Gradients that are narrower than what they move are widened one after another, until a step's
/// kernel has so many bytes of them.
inline constexpr std::int64_t kWidenedBytes = 16 << 20;
/// Paged state comes to the device for as many tensors at a time as this holds, one at least.
inline constexpr std::int64_t kPagedBytes = 64 << 20;

/// Bytes of all tensors that the layout has for a trained one of this shape.
std::int64_t state_bytes(const StateLayout& layout, const TrainedShape& shape);
/// Those of them that are paged.
std::int64_t paged_bytes(const StateLayout& layout, const TrainedShape& shape);

// Layouts that several kinds have.

/// Moments of eight bits a number, a scale for each block of 256 of them (Dettmers et al. 2022, as
/// bitsandbytes lays it out): of tensors of at least 4,096 numbers that are no embeddings, as the
/// Trainer has it. Others have float32 moments.
inline constexpr std::int64_t kMomentBlock = 256, kLeastEightBit = 4096;
bool has_eight_bits(const TrainedShape& shape);
/// `moments` by their names.
std::vector<StateTensor> eight_bit_moments(const TrainedShape& shape,
                                           const std::vector<std::string>& moments);
/// The same tensors, paged where bitsandbytes pages them: from 100,000 trained numbers on.
std::vector<StateTensor> in_pages(const TrainedShape& shape, std::vector<StateTensor> tensors);

}  // namespace luthier
