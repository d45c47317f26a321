// SPDX-License-Identifier: GPL-3.0-or-later
// GPT-2's stack of layers (Radford et al. 2019; GPT2Model of transformers 5.17), for whatever model
// has it: learned positions, LayerNorms before the branches and one at the end, queries, keys and
// values as one product. With `across` each layer looks across to an encoder's states between its
// attention and its feed-forward, as a decoder of VisionEncoderDecoderModel does.
#pragma once

#include <memory>
#include <vector>

#include "engine/models/blocks/branches.h"
#include "engine/models/blocks/two_stacks.h"
#include "engine/models/gpt2/gpt2_options.h"
#include "engine/nn/conv1d_linear.h"

namespace luthier::gpt2 {

/// transformers' GPT2Attention: of a row's own tokens, or across to the frame's memory.
class Attention : public torch::nn::Module {
 public:
  Attention(const Options& o, std::int64_t layer, bool across, const torch::TensorOptions& t);
  torch::Tensor forward(const torch::Tensor& x, const LayerFrame& frame) const {
    return c_proj->forward(mixed(x, frame));
  }
  /// What comes before the last product.
  torch::Tensor mixed(const torch::Tensor& x, const LayerFrame& frame) const;

  Linear q_attn{nullptr};  ///< the queries' where the other product gives keys and values
  Linear c_attn{nullptr}, c_proj{nullptr};

 private:
  /// [tokens, heads·size] → [tokens, heads, size].
  torch::Tensor split(const torch::Tensor& made) const;

  std::int64_t width_, heads_;
  AttentionRule rule_;
};

class Layer : public torch::nn::Module {
 public:
  Layer(const Options& o, std::int64_t layer, const torch::TensorOptions& t);
  /// `own` [asked] int64: all tokens are there as keys and values, and what comes behind is made
  /// for those alone; undefined: for all.
  torch::Tensor forward(const torch::Tensor& x, const LayerFrame& frame,
                        const torch::Tensor& own = {}) const;
  /// Whether it can be: nothing in it looks at more than the row that it is given.
  bool narrows() const;
  /// `asked`: tokens that go on behind attention; `flows`: a gradient is wanted below the layer.
  Stage cost(const StepTerms& terms, const StackPass& pass, std::int64_t asked, bool flows) const;
  /// Whether what the cross-attention reads of the memory is kept, once for all layers.
  bool keeps_memory(const StepTerms& terms) const;

 private:
  std::int64_t heads_;
  Activation activation_;
  std::shared_ptr<Attention> self_, across_;
  Linear wide_{nullptr}, narrow_{nullptr};
  LayerNorm self_norm_{nullptr}, across_norm_{nullptr}, wide_norm_{nullptr};
  Branches branches_;
};

/// How far into their rows tokens are that a pass goes on with: what a cache holds already.
struct Places {
  torch::Tensor positions;  ///< [tokens] int64
  std::int64_t reach = 0;   ///< one past the largest
};

class Stack : public torch::nn::Module {
 public:
  Stack(const Options& o, const torch::TensorOptions& t);
  torch::Tensor words(const torch::Tensor& ids) const { return wte->forward(ids); }
  /// x [tokens, n_embd], of words → [own tokens, n_embd] after the last norm; an undefined `own`:
  /// of all. `memory`: what it looks across to; `cache`: its rows go on from what that holds. An
  /// exception where a row is longer than there are positions.
  torch::Tensor forward(const torch::Tensor& x, const RowLayout& rows, const RowStates* memory,
                        KeyValueCache* cache, bool checkpointing,
                        const torch::Tensor& own = {}) const;
  std::int64_t positions() const { return wpe_->weight.size(0); }

  /// Adds the stages of forward() with `asked` own tokens. `flows`: a gradient is wanted
  /// of what comes in; afterwards whether one is wanted at the end.
  void add_cost(const StepTerms& terms, const StackPass& pass, std::int64_t asked, bool& flows,
                std::vector<Stage>& stages) const;

  Embedding wte{nullptr};

 private:
  Places places(const RowLayout& rows, const KeyValueCache* cache, torch::Device device) const;

  Embedding wpe_{nullptr};
  std::vector<std::shared_ptr<Layer>> layers_;
  LayerNorm ln_f_{nullptr};
};

}  // namespace luthier::gpt2
