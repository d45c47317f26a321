// SPDX-License-Identifier: GPL-3.0-or-later
// EVE's patch aligning layer (the authors' VisionCompressor): of a picture's squares the states of
// every fourth layer, pooled to the teacher's patches; the last layer's look at those of the others
// by attention over layers, and what comes of it is held against the teacher's. It is there while
// the model learns, and no part of its answers.
#pragma once

#include <memory>
#include <vector>

#include "engine/models/eve/vision_tokenizer.h"
#include "engine/nn/layers.h"
#include "engine/nn/linear.h"

namespace luthier::eve {

/// config.json's `alignment_config`, which is ours; its defaults are of CLIP-L/14 at 336 pixels.
struct AlignerSizes {
  std::int64_t width = 1024;      ///< the teacher's hidden_size
  std::int64_t image_size = 336;  ///< the teacher's, which the processor calls image_size_clip
  std::int64_t layer_rate = 4;    ///< each so many layers are looked at, from the last one down
};

class PatchAligner : public torch::nn::Module {
 public:
  /// Over a decoder of so many layers and this width.
  PatchAligner(const AlignerSizes& sizes, std::int64_t layers, std::int64_t hidden,
               const torch::TensorOptions& tensors);
  /// hidden_states that are looked at, in rising order.
  const std::vector<std::int64_t>& layers() const { return layers_; }
  /// Of each of those [squares, hidden], picture after picture and row by row; `side`: the
  /// teacher's patches along its picture → [patches, width].
  torch::Tensor forward(const std::vector<torch::Tensor>& states,
                        const std::vector<Squares>& pictures, std::int64_t side);
  Stage cost(const StepTerms& terms, std::int64_t squares) const;

 private:
  AlignerSizes sizes_;
  std::vector<std::int64_t> layers_;
  std::vector<LayerNorm> norms_;  ///< of the last layer first, as the files have them
  std::vector<Linear> products_;
  Linear input_layer_{nullptr}, output_layer_{nullptr};
};

/// How many squares of a picture along a side are one patch of the teacher's; throws where that is
/// no whole number.
std::int64_t squares_of_patch(const Squares& picture, std::int64_t side);

}  // namespace luthier::eve
