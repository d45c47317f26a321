// SPDX-License-Identifier: GPL-3.0-or-later
// The numbers of a T5 (Raffel et al. 2020), 1.0 and 1.1, as transformers' T5Config has them.
#pragma once

#include <cstdint>
#include <string>

#include "engine/base/result.h"
#include "engine/data/processor.h"
#include "engine/io/json.h"
#include "engine/nn/layers.h"

namespace luthier::t5 {

struct Options {
  std::int64_t vocab_size = 32128, d_model = 512, d_kv = 64, d_ff = 2048;
  std::int64_t num_layers = 6, num_decoder_layers = 6, num_heads = 8;
  std::int64_t buckets = 32, max_distance = 128;  ///< of the relative bias
  double layer_norm_epsilon = 1e-6, initializer_factor = 1;
  Activation activation = Activation::Relu;
  bool gated = false;          ///< the feed-forward has two products, one through the activation
  bool scaled_outputs = true;  ///< the decoder's states come to the head by d_model^-½
  TokenId start = 0;           ///< what written rows begin with
  bool tie_word_embeddings = true;  ///< transformers ties unless the files have a head of their own
};

/// An Input error names `where` and the field.
Result<Options> read_options(const Json& config, const std::string& where);

/// The standard deviation that transformers draws a tensor with.
double drawn_range(const Options& options, const std::string& name);

/// Says in config.json that the head is not tied, and still how the states are scaled.
void untie(Json& config);

}  // namespace luthier::t5
