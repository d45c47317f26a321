// SPDX-License-Identifier: GPL-3.0-or-later
// VirTex' textual head (Desai & Johnson 2021): words with their positions and a norm, layers of a
// transformer's decoder whose norms come behind their branches, and the words again. A second stack
// of layers, which shares all the rest, reads captions from their ends.
#pragma once

#include <memory>
#include <vector>

#include "engine/models/bart/bart_stack.h"
#include "engine/models/virtex/virtex_options.h"

namespace luthier::virtex {

/// Words and positions, which both directions share.
class CaptionEmbedding : public torch::nn::Module {
 public:
  CaptionEmbedding(const Options& o, const torch::TensorOptions& t);
  /// ids [tokens] at `positions` [tokens] int64 → [tokens, hidden]; 0 where the padding stands.
  torch::Tensor forward(const torch::Tensor& ids, const torch::Tensor& positions) const;
  /// `flows` afterwards: a gradient is wanted of what it gives.
  Stage cost(const StepTerms& terms, std::int64_t tokens, bool& flows) const;
  std::int64_t positions() const { return positions_->weight.size(0); }

  Embedding words{nullptr};

 private:
  TokenId padding_;
  Embedding positions_{nullptr};
  LayerNorm layer_norm_{nullptr};
};

/// The layers of one direction.
class CaptionLayers : public torch::nn::Module {
 public:
  CaptionLayers(const Options& o, const torch::TensorOptions& t);
  torch::Tensor forward(torch::Tensor x, const RowLayout& rows, const RowStates& memory,
                        KeyValueCache* cache, bool checkpointing) const;
  void add_cost(const StepTerms& terms, const StackPass& pass, bool flows,
                std::vector<Stage>& stages) const;
  /// Whether what cross-attention reads of the memory is kept.
  bool keeps_memory(const StepTerms& terms) const;

 private:
  std::vector<std::shared_ptr<bart::Layer>> layers_;
};

}  // namespace luthier::virtex
