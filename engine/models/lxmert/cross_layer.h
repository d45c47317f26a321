// SPDX-License-Identifier: GPL-3.0-or-later
// A layer of LXMERT's cross encoder (LxmertXLayer of transformers 5.17): text and regions look
// across to one another by one set of weights, each to what the other was before the layer, and
// then each goes through a layer of BERT's kind of its own.
#pragma once

#include <memory>
#include <vector>

#include "engine/models/bert/text_layer.h"

namespace luthier {

/// What either side was, and how its rows lie.
struct LxmertRows {
  RowLayout words, regions;
};

/// A pass through cross layers.
struct CrossPass {
  std::int64_t words = 0, regions = 0;
  RowsShape of_words, of_regions;  ///< within
  RowsShape to_regions, to_words;  ///< across, by who looks
};

class CrossLayer : public torch::nn::Module {
 public:
  CrossLayer(const TextLayerSizes& sizes, const torch::TensorOptions& t);

  /// words [tokens, hidden] and regions [regions, hidden] → both; `last`: of a layer whose regions
  /// nobody asks for, the words alone.
  std::vector<torch::Tensor> forward(const torch::Tensor& words, const torch::Tensor& regions,
                                     const LxmertRows& rows, bool last) const;
  /// `words_flow`, `regions_flow`: a gradient is wanted below of either.
  Stage cost(const StepTerms& terms, const CrossPass& pass, bool words_flow, bool regions_flow,
             bool last) const;
  /// What no gradient reaches in a layer whose regions nobody asks for.
  TrainedShare of_regions(const StepTerms& terms) const { return trained(terms, *region_layer_); }

 private:
  torch::Tensor across(const torch::Tensor& x, const RowLayout& rows, const torch::Tensor& seen,
                       const RowLayout& seen_rows) const;
  static TrainedShare trained(const StepTerms& terms, const torch::nn::Module& module);

  std::int64_t heads_;
  Linear query_{nullptr}, key_{nullptr}, value_{nullptr}, out_{nullptr};
  LayerNorm norm_{nullptr};
  /// Their modules are this layer's own children.
  std::shared_ptr<TextLayer> word_layer_, region_layer_;
};

}  // namespace luthier
