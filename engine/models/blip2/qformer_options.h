// SPDX-License-Identifier: GPL-3.0-or-later
// The numbers of a Q-Former, as transformers' Blip2QFormerConfig and InstructBlipQFormerConfig have
// them.
#pragma once

#include <cstdint>
#include <string>

#include "engine/base/result.h"
#include "engine/io/json.h"
#include "engine/nn/layers.h"

namespace luthier {

struct QFormerOptions {
  std::int64_t vocab_size = 30522, hidden_size = 768, intermediate_size = 3072;
  std::int64_t num_hidden_layers = 12, num_attention_heads = 12;
  std::int64_t max_position_embeddings = 512;
  std::int64_t cross_attention_frequency = 2;
  std::int64_t encoder_hidden_size = 1408;  ///< of the picture's states
  std::int64_t queries = 32;
  double layer_norm_eps = 1e-12, initializer_range = 0.02;
  Activation hidden_act = Activation::Gelu;
  bool reads_text = false;   ///< text rows have a feed-forward of their own
  bool own_words = false;    ///< and tables of words and places within the Q-Former (InstructBLIP)
  std::int64_t padding = 0;  ///< the word that learns nothing where it is looked up; −1: none
};

/// `encoder_hidden_size` is the tower's, whatever the section says, as in transformers.
/// `instructed`: InstructBLIP's, which always reads a text. An Input error names `where` and the
/// field.
Result<QFormerOptions> read_qformer_options(const Json& config, const std::string& where,
                                            std::int64_t encoder_hidden_size, std::int64_t queries,
                                            bool instructed);

}  // namespace luthier
