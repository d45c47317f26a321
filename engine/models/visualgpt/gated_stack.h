// SPDX-License-Identifier: GPL-3.0-or-later
// GPT-2's layers with VisualGPT's self-resurrecting activation units (Chen et al. 2022): behind a
// layer's attention each number of a state says by its own sigmoid how much of it is taken from the
// pictures and how much it stays, and shares below a threshold are none:
//   h = x + attention(norm(x)),  c = Σ across(norm(h), level) / √levels,
//   y = σ(h)·[σ(h) > t]·c + (1 − σ(h))·[1 − σ(h) > t]·h,  out = y + feed-forward(norm(y)).
#pragma once

#include <memory>
#include <vector>

#include "engine/models/gpt2/gpt2_stack.h"
#include "engine/models/visualgpt/visualgpt_options.h"

namespace luthier::visualgpt {

/// One layer's states of pictures, all levels side by side: [tokens, levels · width].
struct Levels {
  torch::Tensor states;
  RowLayout rows;
};

class GatedLayer : public torch::nn::Module {
 public:
  GatedLayer(const Options& o, std::int64_t layer, const torch::TensorOptions& t);
  torch::Tensor forward(const torch::Tensor& x, const RowLayout& rows, const Levels& memory,
                        KeyValueCache* cache, std::int64_t layer) const;
  /// `flows`: a gradient is wanted below the layer.
  Stage cost(const StepTerms& terms, const StackPass& pass, bool flows) const;

 private:
  std::int64_t heads_, levels_;
  double threshold_;
  Activation activation_;
  std::shared_ptr<gpt2::Attention> self_, across_;
  LayerNorm self_norm_{nullptr}, across_norm_{nullptr}, wide_norm_{nullptr};
  Linear wide_{nullptr}, narrow_{nullptr};
};

class GatedStack : public torch::nn::Module {
 public:
  GatedStack(const Options& o, const torch::TensorOptions& t);
  /// ids [tokens] → [tokens, n_embd] after the last norm.
  torch::Tensor forward(const torch::Tensor& ids, const RowLayout& rows, const Levels& memory,
                        KeyValueCache* cache, bool checkpointing) const;
  void add_cost(const StepTerms& terms, const StackPass& pass, std::vector<Stage>& stages) const;

  Embedding wte{nullptr};

 private:
  Embedding wpe_{nullptr};
  std::vector<std::shared_ptr<GatedLayer>> layers_;
  LayerNorm ln_f_{nullptr};
};

}  // namespace luthier::visualgpt
