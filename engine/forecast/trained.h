// SPDX-License-Identifier: GPL-3.0-or-later
// Inside of the forecast: the modules that train under a recipe, with their ranks.
#pragma once

#include <vector>

#include "engine/config/kinds.h"
#include "engine/forecast/forecast.h"

namespace luthier {

struct TrainedModule {
  const ModuleSummary* module = nullptr;  ///< of the summary that was asked about
  std::int64_t rank = 0;  ///< numbers a token that its plug keeps in float32 (LoRA's x·Aᵀ)
  std::int64_t parameters = 0;
  bool plugged = false;  ///< it has a plug; else it is trained whole
};

/// Whether the recipe's method has the setting of this key.
bool has_setting(const Recipe& recipe, const std::string& key);

Result<std::vector<TrainedModule>> list_trained(const ModelSummary& model, const Recipe& recipe);

/// What of one layer trains.
struct LayerNeeds {
  bool any = false, qkv = false, out = false, wide_in = false, wide_out = false, scales = false;
  std::int64_t ranks_qkv = 0, ranks_out = 0, ranks_in = 0, ranks_down = 0;
  std::int64_t parameters = 0;
};

struct Needs {
  std::vector<LayerNeeds> decoder, tower;  ///< the tower's layers that run
  bool tower_trains = false;
  bool tower_start = false,
       patches = false;  ///< something before the tower's first layer; the patches' product
  bool projector = false, projector_in = false,
       projector_out = false;  ///< anything of it; its first product; its second
  std::int64_t ranks_projector = 0;
  bool embedding = false, embedding_whole = false,
       head = false;  ///< the second: not through an adapter
  std::int64_t head_rank = 0, head_parameters = 0;
};
Needs collect_needs(const ModelSummary& model, const std::vector<TrainedModule>& trained);
/// Whether the module lies where no gradient ever arrives (tower layers past the last used one,
/// pooling heads).
bool never_reached(const ModuleSummary& module, const ModelGeometry& geometry);

/// What the run's tensors are stored as.
struct TensorSizes {
  std::int64_t element = 4;  ///< bytes of a weight and an activation
  bool checkpointing = false;
  bool cpu = true;

  /// What the allocator gives for this many elements of `bytes` each.
  std::int64_t block(std::int64_t elements, std::int64_t bytes) const;
  std::int64_t block(std::int64_t elements) const { return block(elements, element); }
};

/// Bytes of tensors that live during a step besides weights, gradients and optimizer state.
struct StepBytes {
  std::int64_t kept = 0;       ///< from the forward to the backward, at the moment of the peak
  std::int64_t workspace = 0;  ///< temporaries at that moment
};
/// Numbers that a fixed tower hands on for these pictures.
std::int64_t feature_numbers(const ModelGeometry& geometry, const PictureLoad& pictures);

/// `gradients`: bytes of all gradients, which grow while activations shrink.
StepBytes step_bytes(const ModelSummary& model, const Recipe& recipe, const BatchShape& batch,
                     const std::vector<TrainedModule>& trained, const TensorSizes& sizes,
                     std::int64_t gradients);

/// Rows as attention meets them (nn/attention.cpp).
struct AttentionShape {
  std::int64_t tokens =
      0;  ///< in queries, keys, values and their mixture: with padding where rows are padded
  std::int64_t squares = 0;  ///< Σ rows · longest²: scores of one head
  bool copied = false;       ///< the mixture goes into another order before the next product
  std::vector<std::pair<std::int64_t, std::int64_t>>
      groups;  ///< rows and their length, one call each
};
/// Rows of any lengths; `causal` rows may be padded.
AttentionShape attention_shape(const std::vector<std::int64_t>& lengths, bool causal);

/// One layer's share, given that a gradient flows into its input (`flows`).
struct LayerBytes {
  std::int64_t attention = 0, mlp = 0;            ///< kept by either half
  std::int64_t attention_work = 0, mlp_work = 0;  ///< temporaries of either half's backward
  std::int64_t kept() const { return attention + mlp; }
};
LayerBytes decoder_layer(const ModelGeometry& geometry, const TensorSizes& sizes,
                         const AttentionShape& rows, std::int64_t tokens, const LayerNeeds& need,
                         bool flows, bool dropout);
LayerBytes tower_layer(const ModelGeometry& geometry, const TensorSizes& sizes,
                       std::int64_t patches, const LayerNeeds& need, bool flows, bool dropout);
/// Masks of the whole decoder, which layers of one window share.
std::int64_t mask_bytes(const ModelGeometry& geometry, const TensorSizes& sizes,
                        const AttentionShape& rows);

}  // namespace luthier
