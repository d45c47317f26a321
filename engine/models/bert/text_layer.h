// SPDX-License-Identifier: GPL-3.0-or-later
// A layer of BERT's kind: attention both ways and an MLP, each with its norm behind the sum
// (post-norm). ALBERT's and ELECTRA's compute the same; DeBERTa's attend by a way of their own.
#pragma once

#include "engine/models/blocks/branches.h"
#include "engine/models/cost.h"
#include "engine/nn/layers.h"

namespace luthier {

struct TextLayerSizes {
  std::int64_t hidden = 768, intermediate = 3072, heads = 12;
  double layer_norm_eps = 1e-12;
  Activation activation = Activation::Gelu;
};

/// Where a layer's modules stand within it.
struct TextLayerNames {
  const char *query, *key, *value, *mixed, *mixed_norm, *wide, *narrow, *narrow_norm;
};
/// BERT's, RoBERTa's and ELECTRA's.
inline constexpr TextLayerNames kBertLayer{"attention.self.query",
                                           "attention.self.key",
                                           "attention.self.value",
                                           "attention.output.dense",
                                           "attention.output.LayerNorm",
                                           "intermediate.dense",
                                           "output.dense",
                                           "output.LayerNorm"};

class TextLayer : public torch::nn::Module {
 public:
  TextLayer(const TextLayerSizes& sizes, const TextLayerNames& names,
            const torch::TensorOptions& t);

  torch::Tensor forward(const torch::Tensor& x, const LayerFrame& frame) const {
    return run_branches(branches_, x, frame);
  }
  /// `flows`: a gradient is wanted below the layer; `joined`: one is of what becomes of the
  /// attention's result; `last_norm` as behind_attention has it.
  LayerCost cost(const StepTerms& terms, const RowsShape& rows, std::int64_t tokens, bool flows,
                 bool joined = false, bool last_norm = true) const;
  /// What trains of the norm at the layer's end.
  TrainedShare of_last_norm(const StepTerms& terms) const { return terms.of(*narrow_norm_); }

 protected:
  /// The attention's branch, with its last product.
  virtual torch::Tensor attention(const torch::Tensor& x, const LayerFrame& frame) const;
  /// What the attention's branch made, [tokens, hidden], through all that stands behind it;
  /// `last_norm`: the norm at the layer's end, too.
  torch::Tensor behind_attention(const torch::Tensor& x, const torch::Tensor& made,
                                 const LayerFrame& frame, bool last_norm = true) const {
    const torch::Tensor seen = branches_[0].norm(x + made);
    return last_norm ? branches_[1].forward(seen, frame) : seen + branches_[1].body(seen, frame);
  }
  /// What attention itself keeps, from queries, keys and values to their mixture.
  virtual AttentionCost core_cost(const StepTerms& terms, const RowsShape& rows) const;

  std::int64_t heads_;
  Linear query_{nullptr}, key_{nullptr}, value_{nullptr}, mixed_{nullptr};

 private:
  Activation activation_;
  Linear wide_{nullptr}, narrow_{nullptr};
  LayerNorm mixed_norm_{nullptr}, narrow_norm_{nullptr};
  Branches branches_;
};

}  // namespace luthier
