// SPDX-License-Identifier: GPL-3.0-or-later
// CLIPSeg's decoder (Lüddecke & Ecker 2022) as CLIPSegDecoder of transformers 5.17: states of some
// of the tower's layers, the deepest first, each narrowed and added to what came before; a
// post-norm layer behind each; at one of them the prompt's point scales and shifts all states
// (FiLM, Perez et al. 2018). What is left of each patch becomes a square of pixels.
#pragma once

#include <memory>
#include <vector>

#include "engine/models/bert/text_layer.h"
#include "engine/models/clipseg/transposed_convolution.h"
#include "engine/nn/convolutions/convolution.h"

namespace luthier {

struct SegmentDecoderOptions {
  std::vector<std::int64_t> extract_layers{3, 6, 9};  ///< behind which states are taken, from 0
  std::int64_t tower_width = 768, projection_dim = 512, patch_size = 32;
  TextLayerSizes layer;  ///< `hidden` is reduce_dim
  std::int64_t conditional_layer = 0;
  bool complex_head = false;  ///< use_complex_transposed_convolution

  std::int64_t depth() const { return static_cast<std::int64_t>(extract_layers.size()); }
  /// Pixels a side that a patch becomes.
  std::int64_t square() const {
    return complex_head ? (patch_size / 4) * (patch_size / 4) : patch_size;
  }
};

class SegmentDecoder : public torch::nn::Module {
 public:
  SegmentDecoder(const SegmentDecoderOptions& options, const torch::TensorOptions& tensors);
  /// `activations`: as extract_layers has them, each [rows, 1 + side², tower width]; `prompts`
  /// [rows, projection_dim] → [rows, side · square, side · square].
  torch::Tensor forward(const std::vector<torch::Tensor>& activations,
                        const torch::Tensor& prompts) const;
  /// Adds the stages of so many rows of frames of `side` patches a side.
  void add_cost(TowerCost& cost, const StepTerms& terms, std::int64_t rows,
                std::int64_t side) const;

  const SegmentDecoderOptions options;

 private:
  /// One transposed convolution, or a convolution and two of those with relus between.
  class Head;

  Linear film_mul_{nullptr}, film_add_{nullptr};
  std::vector<Linear> reduces_;
  std::vector<std::shared_ptr<TextLayer>> layers_;
  std::shared_ptr<TransposedConvolution> plain_;
  std::shared_ptr<Head> complex_;  ///< null: there is the plain one
};

}  // namespace luthier
