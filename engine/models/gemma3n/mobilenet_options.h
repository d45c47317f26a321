// SPDX-License-Identifier: GPL-3.0-or-later
// The numbers of Gemma 3n's picture tower: MobileNet-V5's encoder (timm's mobilenetv5_300m_enc),
// and what a vision config's model_args make of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/json.h"

namespace luthier {

struct MobileBlock {
  enum class Kind {
    Edge,        ///< a convolution that widens, a product that narrows
    Bottleneck,  ///< products that widen and narrow, with convolutions channel by channel around
    Attention    ///< of many queries and one key and value a place
  };
  Kind kind = Kind::Bottleneck;
  std::int64_t in = 0, out = 0, stride = 1;
  std::int64_t wide = 0;                         ///< between the two products
  std::int64_t kernel = 3;                       ///< of an edge block, or before the keys
  std::int64_t first = 0, middle = 0, last = 0;  ///< kernels channel by channel; 0: none
  std::int64_t heads = 8, key_dim = 64, value_dim = 64, kv_stride = 1;
  bool skips = false;  ///< what came in is added
  bool scales = true;  ///< what is added to it is scaled, a number a channel
};

struct MobileNetOptions {
  std::int64_t stem = 64;
  std::vector<std::vector<MobileBlock>> stages;  ///< each halves both sides
  /// What is put together at the end: 0: the stem's states, i: those of stage i − 1.
  std::vector<bool> fused;
  std::int64_t fused_side = 16;  ///< of the picture's features at the end
  std::int64_t hidden_size = 2048;

  std::int64_t features() const { return fused_side * fused_side; }
  std::int64_t fused_channels() const;
};

/// Reads vision_config; an Input error names `where` and the field.
Result<MobileNetOptions> read_mobilenet_options(const Json& config, const std::string& where);

}  // namespace luthier
