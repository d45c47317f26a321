// SPDX-License-Identifier: GPL-3.0-or-later
// BLIP's mixture of encoder and decoder (Li et al. 2022; BlipTextModel of transformers 5.17):
// BERT's post-norm layers without token types, each with a cross-attention behind its
// self-attention, which is passed by where there is nothing to look across to. Its rows are read
// both ways, or written from the left.
#pragma once

#include <memory>
#include <vector>

#include "engine/models/bert/text_embeddings.h"
#include "engine/models/bert/text_layer.h"
#include "engine/models/blocks/branches.h"
#include "engine/models/blocks/two_stacks.h"

namespace luthier::blip {

struct MedOptions {
  TextTables tables;
  TextLayerSizes layer;
  std::int64_t num_hidden_layers = 12;
  std::int64_t memory_width = 768;  ///< of the states that it looks across to
};

class MedLayer : public torch::nn::Module {
 public:
  MedLayer(const MedOptions& options, bool causal, const torch::TensorOptions& t);
  /// [tokens, hidden] → the same; without a memory the frame's rows alone.
  torch::Tensor forward(const torch::Tensor& x, const LayerFrame& frame) const;
  /// `across`: there is a memory; `flows`: a gradient is wanted below the layer.
  Stage cost(const StepTerms& terms, const StackPass& pass, bool across, bool flows) const;
  /// What of it has no part in rows without a memory.
  TrainedShare of_memory(const StepTerms& terms) const;
  /// Whether the memory's states are kept, once for all layers.
  bool keeps_memory(const StepTerms& terms) const;
  std::int64_t memory_width() const { return across_.key->in_features(); }

 private:
  struct Attention {
    Linear query{nullptr}, key{nullptr}, value{nullptr}, out{nullptr};
    LayerNorm norm{nullptr};
  };
  Attention make_attention(const MedOptions& options, bool across, const torch::TensorOptions& t);

  std::int64_t heads_;
  Activation activation_;
  Attention self_, across_;
  Linear wide_{nullptr}, narrow_{nullptr};
  LayerNorm narrow_norm_{nullptr};
  Branch within_, over_, feed_;
};

class MedStack : public torch::nn::Module {
 public:
  MedStack(const MedOptions& options, bool causal, const torch::TensorOptions& t);
  /// ids [tokens] → [tokens, hidden]. `memory`: what row i looks across to, null: nothing; `cache`:
  /// the rows go on from what it holds.
  torch::Tensor forward(const torch::Tensor& ids, const RowLayout& rows, const RowStates* memory,
                        KeyValueCache* cache, bool checkpointing) const;
  /// Adds the stages of embeddings and layers. `again`: it has run before, and its gradients stand
  /// since; `flows` afterwards: a gradient is wanted at its end.
  void add_cost(const StepTerms& terms, const StackPass& pass, bool across, bool again, bool& flows,
                std::vector<Stage>& stages) const;
  /// Trained numbers of the cross-attentions.
  std::int64_t of_memory(const StepTerms& terms) const;

  std::shared_ptr<TextEmbeddings> embeddings;

 private:
  std::vector<std::shared_ptr<MedLayer>> layers_;
};

}  // namespace luthier::blip
