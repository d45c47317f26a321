// SPDX-License-Identifier: GPL-3.0-or-later
// The text configurations that a decoder is read from: a row each, with its defaults.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/models/expert_options.h"

namespace luthier {

/// Which layers see no more than the last tokens.
enum class DecoderWindows {
  None,
  EveryLayer,
  WhereGiven,
  FromLayer,
  Alternating,
  Unturned,
  Turning
};

/// A configuration class of transformers 5.17.
struct DecoderKind {
  const char* type;
  std::int64_t vocab, hidden;
  std::int64_t intermediate;  ///< 0: no layer has an MLP of its own
  std::int64_t layers, heads;
  std::int64_t kv_heads;  ///< 0: as heads
  std::int64_t head_dim;  ///< 0: hidden / heads; −1: that, whatever the file says
  double eps, theta;
  std::int64_t positions;
  const char* activation;
  bool tied = false;
  bool qkv_bias = false;
  bool bias_option = false;  ///< attention_bias is of all four products, and off
  bool qkv_option = false;   ///< attention_bias is of queries, keys and values, and on
  bool mlp_bias_option = false;
  bool qk_norm = false, gemma = false, sandwich = false, two_rotaries = false;
  bool glm = false;             ///< a fused MLP, and neighbouring features turn together
  bool norms_by_place = false;  ///< four norms, called by what they follow
  bool scaled_queries = false, gemma4 = false, gemma3n = false, cohere = false;
  bool phi3 = false;       ///< queries, keys and values are one product, gate and up another
  bool across = false;     ///< some layers look across to pictures
  bool chameleon = false;  ///< its own layers (chameleon/chameleon_layer.h)
  bool idefics = false;    ///< gated layers stand before some (idefics/gated_layer.h)
  bool persimmon = false;  ///< its own layers (fuyu/persimmon_layer.h)
  DecoderWindows windows = DecoderWindows::None;
  std::int64_t window_layers = 28;          ///< max_window_layers, or the length of an alternation
  std::vector<std::int64_t> sections = {};  ///< M-RoPE
  bool interleaved = false;                 ///< and its sections are mixed
  ExpertDefaults experts = {};
  double partial = 1;  ///< of a head that is turned
  bool delta = false;  ///< layers by the gated delta rule, and a gate behind attention
  bool lfm2 = false;   ///< layers by a gated short convolution, names of its own
};

const std::vector<DecoderKind>& decoder_kinds();

}  // namespace luthier
