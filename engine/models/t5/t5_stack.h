// SPDX-License-Identifier: GPL-3.0-or-later
// One of T5's two stacks: layers of self-attention, in the decoder cross-attention, and a
// feed-forward, each behind a norm. Products have no biases, scores are not divided by √head_dim,
// and a table of relative biases in the first block is added to the scores of all blocks.
#pragma once

#include <memory>
#include <vector>

#include "engine/models/blocks/branches.h"
#include "engine/models/blocks/two_stacks.h"
#include "engine/models/t5/t5_options.h"

namespace luthier::t5 {

/// Holds others under a name of theirs.
class Part : public torch::nn::Module {};

/// transformers' T5Attention.
class Attention : public torch::nn::Module {
 public:
  Attention(const Options& o, bool with_bias, const torch::TensorOptions& t);

  /// Of its own row's tokens, or with `across` of the frame's memory.
  torch::Tensor forward(const torch::Tensor& x, const LayerFrame& frame, bool across,
                        const AttentionRule& rule) const;

  Linear q{nullptr}, k{nullptr}, v{nullptr}, o{nullptr};
  Embedding relative_attention_bias{nullptr};  ///< [buckets, heads]; null but in a first block

 private:
  std::int64_t heads_;
};

/// T5DenseActDense, or T5DenseGatedActDense.
class FeedForward : public torch::nn::Module {
 public:
  FeedForward(const Options& o, const torch::TensorOptions& t);
  torch::Tensor forward(const torch::Tensor& x) const;
  MlpCost cost(const StepTerms& terms, std::int64_t tokens, bool flows) const;
  /// Bytes of what it makes between its products, where nothing is kept.
  std::int64_t passing(const StepTerms& terms, std::int64_t tokens) const;

 private:
  Activation activation_;
  Linear wi_{nullptr}, gate_{nullptr}, wo_{nullptr};  ///< gate_: wi_0 of a gated one
};

/// And whether the bias on its scores trains.
struct BiasedPass : StackPass {
  bool bias_learns = false;
};

class Block : public torch::nn::Module {
 public:
  Block(const Options& o, bool decoder, bool first, const torch::TensorOptions& t);
  torch::Tensor forward(const torch::Tensor& x, const LayerFrame& frame) const {
    return run_branches(branches_, x, frame);
  }
  /// `flows`: a gradient is wanted below the block.
  Stage cost(const StepTerms& terms, const BiasedPass& pass, bool flows) const;
  const Embedding& bias_table() const { return self_->relative_attention_bias; }
  /// Whether what the cross-attention reads of the memory is kept, once for all blocks.
  bool keeps_memory(const StepTerms& terms) const;

 private:
  std::int64_t heads_;
  std::shared_ptr<Attention> self_, across_;
  std::shared_ptr<FeedForward> wide_;
  std::vector<RmsNorm> norms_;  ///< one a branch
  Branches branches_;
};

class Stack : public torch::nn::Module {
 public:
  Stack(const Options& o, bool decoder, const torch::TensorOptions& t);

  /// x [tokens, d_model] → the same after the last norm. `memory`: what a decoder looks across
  /// to; `cache`: its rows go on from what that holds.
  torch::Tensor forward(const torch::Tensor& x, const RowLayout& rows, const RowStates* memory,
                        KeyValueCache* cache, bool checkpointing) const;
  /// Adds the stages of its layers and its last norm. `flows`: a gradient is wanted below them;
  /// afterwards whether one is wanted at their end.
  void add_cost(const StepTerms& terms, const StackPass& given, bool& flows,
                std::vector<Stage>& stages) const;

 private:
  ScoreBias bias() const;

  bool decoder_;
  std::int64_t heads_, buckets_, max_distance_;
  std::vector<std::shared_ptr<Block>> blocks_;
  RmsNorm final_layer_norm_{nullptr};
};

/// The bucket of each distance key − query [any shape] int64. `both_ways`: half of the buckets are
/// for keys that stand behind the query; else those count as distance 0.
torch::Tensor relative_buckets(const torch::Tensor& distances, bool both_ways, std::int64_t buckets,
                               std::int64_t max_distance);

}  // namespace luthier::t5
