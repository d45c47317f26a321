// SPDX-License-Identifier: GPL-3.0-or-later
// What Gemma 4's text config says of its layers beside what all decoders have (Gemma4TextConfig of
// transformers 5.17, and Gemma4UnifiedTextConfig, whose layers have no embeddings and no experts).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/json.h"

namespace luthier {

struct DecoderOptions;

struct Gemma4Options {
  /// Of layers of full attention; those that slide have DecoderOptions' sizes.
  std::int64_t global_head_dim = 0, global_key_value_heads = 0;
  bool keys_are_values = false;  ///< full layers have no v_proj: values are what k_proj gives
  /// The layer whose keys and values each layer sees: itself, or an earlier one of its type.
  std::vector<std::int64_t> sources;
  bool wide_sharers = false;         ///< layers that see another's keys have an MLP twice as wide
  std::int64_t per_layer_width = 0;  ///< of the embeddings that each layer has; 0: none has any
  std::int64_t per_layer_vocabulary = 0;
  std::int64_t padding = 0;     ///< whose embeddings the places of pictures get
  bool picture_blocks = false;  ///< a picture's tokens see one another both ways
  /// They do so in every layer and past the window; else in layers that slide and within it.
  bool blocks_everywhere = false;

  bool shares(std::int64_t layer) const {
    return sources[static_cast<std::size_t>(layer)] != layer;
  }
  /// Whether a later layer sees this one's keys and values.
  bool is_seen(std::int64_t layer) const;
  bool sees_blocks(bool slides) const { return slides || blocks_everywhere; }
};

/// Fills `options` (whose sizes and type are read) with Gemma 4's own settings, sliding windows,
/// rotary positions, experts and the cap on the logits.
Status read_gemma4_layers(const Json& config, const std::string& where, DecoderOptions& options);

/// Which layer's keys and values each one sees, by `num_kv_shared_layers` (else `sharers`) and what
/// slides.
Status read_key_sources(const Json& config, const std::string& where,
                        const std::vector<std::optional<std::int64_t>>& windows,
                        std::int64_t sharers, Gemma4Options& options);

/// `final_logit_softcapping`; `standard`: where the file says nothing; 0: there is none.
Status read_logit_cap(const Json& config, const std::string& where, double standard,
                      DecoderOptions& options);

}  // namespace luthier
