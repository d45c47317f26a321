// SPDX-License-Identifier: GPL-3.0-or-later
// The scales of bitsandbytes' four-bit blocks: plain, or with double quantization packed in their
// turn, less their mean, to eight bits in blocks of 256.
#pragma once

#include "engine/device/torch.h"
#include "engine/io/weight_kinds/bnb_4bit.h"

namespace luthier::bnb_4bit {

struct Scales {
  torch::Tensor values;       // float32 [blocks], or uint8 [blocks]
  torch::Tensor nested, map;  // float32 [blocks of blocks], float32 [256]; undefined: plain
  float offset = 0;           // added to what they stand for
  std::int64_t nested_block = kNestedBlock;

  bool packed() const { return nested.defined(); }
  Scales to(torch::Device device) const;
  /// Of `count` blocks from `first` on, on the CPU. `room` is used where they are packed.
  const float* plain(std::int64_t first, std::int64_t count, float* room) const;
  /// Of blocks [first, last), anywhere.
  torch::Tensor range(std::int64_t first, std::int64_t last) const;
};

/// float32 [blocks] on the CPU, packed to eight bits each.
Scales pack_scales(const torch::Tensor& plain);

}  // namespace luthier::bnb_4bit
