// SPDX-License-Identifier: GPL-3.0-or-later
// The numbers of a DaViT (Ding et al. 2022), as Florence2VisionConfig of transformers 5.17 has
// them: stages that each begin with a convolution and are so many blocks deep.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/json.h"
#include "engine/nn/layers.h"

namespace luthier::florence2 {

struct StageSizes {
  std::int64_t depth = 1, patch = 3, stride = 2, padding = 1, width = 0, heads = 0, groups = 0;
  bool norm_first = true;  ///< the norm stands before the convolution
};

struct DavitOptions {
  std::int64_t channels = 3, window = 12;
  std::vector<StageSizes> stages;
  double mlp_ratio = 4, initializer_range = 0.02;
  bool qkv_bias = true;
  Activation activation = Activation::Gelu;
  // Of the way from the tower into the text, which stands here, too.
  std::int64_t projection_dim = 1024;
  std::int64_t places = 50;  ///< rows and columns that have an embedding
  std::int64_t moments = 100;

  std::int64_t width() const { return stages.back().width; }
  std::int64_t wide(const StageSizes& stage) const {
    return static_cast<std::int64_t>(static_cast<double>(stage.width) * mlp_ratio);
  }
  /// What is left of a side of so many pixels behind the last stage; below 1: nothing is.
  std::int64_t side_of(std::int64_t pixels) const;
};

/// Of `side` numbers, how many windows a convolution has; 0: none.
std::int64_t windows_along(std::int64_t side, const StageSizes& stage);

/// An Input error names `where` and the field.
Result<DavitOptions> read_davit_options(const Json& config, const std::string& where);

}  // namespace luthier::florence2
