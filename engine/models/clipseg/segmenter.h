// SPDX-License-Identifier: GPL-3.0-or-later
// Of models that say which pixels of a picture a prompt means: a text, or another picture.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/models/model_input.h"

namespace luthier {

class Segmenter {
 public:
  /// The i-th row is about the input's picture pictures[i], and its prompt is the input's picture
  /// prompts[i], or (−1) the row's text.
  struct Rows {
    std::vector<std::int64_t> pictures, prompts;
  };
  virtual ~Segmenter() = default;
  /// → [rows, height, width] float32: the numbers before the sigmoid.
  virtual torch::Tensor segment(const ModelInput& input, const Rows& rows) = 0;
  /// What it goes by, of each row: the prompt's point and the picture's, [rows, projection] each.
  struct Asked {
    torch::Tensor prompts, pictures;
  };
  virtual Asked asked(const ModelInput& input, const Rows& rows) = 0;
};

}  // namespace luthier
