// SPDX-License-Identifier: GPL-3.0-or-later
// BART's two stacks (Lewis et al. 2020; BartEncoder and BartDecoder of transformers 5.17), for
// whatever model has them: learned positions, layers whose norms come after their branches, and one
// table of words for both. mBART's (Liu et al. 2020; MBartEncoder and MBartDecoder) have their
// norms before the branches and one behind the last layer.
#pragma once

#include <memory>
#include <vector>

#include "engine/models/bart/bart_options.h"
#include "engine/models/blocks/branches.h"
#include "engine/models/blocks/two_stacks.h"

namespace luthier::bart {

/// transformers' BartAttention.
class Attention : public torch::nn::Module {
 public:
  Attention(std::int64_t width, std::int64_t heads, const torch::TensorOptions& t);
  /// Of its own row's tokens, or with `across` of the frame's memory.
  torch::Tensor forward(const torch::Tensor& x, const LayerFrame& frame, bool across,
                        const AttentionRule& rule) const;

  Linear k_proj{nullptr}, v_proj{nullptr}, q_proj{nullptr}, out_proj{nullptr};

 private:
  std::int64_t heads_;
};

class Layer : public torch::nn::Module {
 public:
  Layer(const Options& o, bool decoder, const torch::TensorOptions& t);
  torch::Tensor forward(const torch::Tensor& x, const LayerFrame& frame) const {
    return run_branches(branches_, x, frame);
  }
  /// `flows`: a gradient is wanted below the layer.
  Stage cost(const StepTerms& terms, const StackPass& pass, bool flows) const;
  /// The same where norms come before their branches.
  Stage pre_norm_cost(const StepTerms& terms, const StackPass& pass, bool flows) const;
  /// Whether what the cross-attention reads of the memory is kept, once for all layers.
  bool keeps_memory(const StepTerms& terms) const;

 private:
  std::int64_t heads_;
  Activation activation_;
  bool pre_norm_;
  std::shared_ptr<Attention> self_, across_;
  LayerNorm self_norm_{nullptr}, across_norm_{nullptr}, last_norm_{nullptr};
  Linear fc1_{nullptr}, fc2_{nullptr};
  Branches branches_;
};

class Stack : public torch::nn::Module {
 public:
  Stack(const Options& o, bool decoder, const torch::TensorOptions& t);
  /// x [tokens, d_model], of words or of what stands in their places → the same after the last
  /// layer. `memory`: what a decoder looks across to; `cache`: its rows go on from what that holds.
  torch::Tensor forward(const torch::Tensor& x, const RowLayout& rows, const RowStates* memory,
                        KeyValueCache* cache, bool checkpointing) const;
  /// Adds the stages of positions and layers. `flows`: a gradient is wanted of what comes in;
  /// afterwards whether one is wanted at the end.
  void add_cost(const StepTerms& terms, const StackPass& pass, bool& flows,
                std::vector<Stage>& stages) const;

 private:
  Embedding embed_positions_{nullptr};
  std::vector<std::shared_ptr<Layer>> layers_;
  LayerNorm layernorm_embedding_{nullptr};
  LayerNorm layer_norm_{nullptr};  ///< behind the last layer; null: there is none
};

/// transformers' BartModel: both stacks over one table of words.
class Body : public torch::nn::Module {
 public:
  Body(const Options& o, const torch::TensorOptions& t);

  /// [tokens] int64 → [tokens, d_model], as the stacks take them.
  torch::Tensor words(const torch::Tensor& ids) const;
  /// What stands in `x` [tokens, d_model], read whole.
  RowStates encode(const torch::Tensor& x, RowLayout rows, bool checkpointing) const;
  torch::Tensor decode(const torch::Tensor& ids, const RowLayout& rows, const RowStates& memory,
                       KeyValueCache* cache, bool checkpointing) const;
  /// Of encode() and decode(). `before`: a gradient is wanted of what else stands among the read
  /// words.
  void add_cost(const Pass& pass, bool before, PassCost& cost) const;
  /// Of a head over the decoder's states, which may be the table of words.
  HeadCost head_cost(const StepTerms& terms, const Linear& head) const;

  Embedding shared{nullptr};

 private:
  Options options_;
  std::shared_ptr<Stack> encoder_, decoder_;
};

}  // namespace luthier::bart
