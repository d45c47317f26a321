// SPDX-License-Identifier: GPL-3.0-or-later
// The numbers of a GPT-2 (Radford et al. 2019), as transformers' GPT2Config has them.
#pragma once

#include <cstdint>
#include <string>

#include "engine/base/result.h"
#include "engine/io/json.h"
#include "engine/nn/layers.h"

namespace luthier::gpt2 {

struct Options {
  std::int64_t vocab_size = 50257, n_positions = 1024, n_embd = 768, n_layer = 12, n_head = 12;
  std::int64_t n_inner = 0;  ///< of the feed-forward
  Activation activation = Activation::GeluTanh;
  double layer_norm_epsilon = 1e-5, initializer_range = 0.02;
  bool scale_attn_weights = true;   ///< scores are divided by √(width of a head)
  bool scale_by_layer = false;      ///< and by the number of their layer, from 1
  bool across = false;              ///< its layers look across to an encoder's states, too
  bool tie_word_embeddings = true;  ///< the head is the table of words

  /// What attention multiplies its scores with in a layer.
  double scale(std::int64_t layer) const;
};

/// An Input error names `where` and the field.
Result<Options> read_options(const Json& config, const std::string& where);

/// The standard deviation that transformers draws a tensor of a stack called `name` with: what
/// comes back into the states begins smaller, by the number of branches.
double drawn_range(const Options& options, const std::string& name);

/// Whether files hold this parameter of a stack as [in, out] (Conv1D).
bool is_turned_name(const std::string& name);

}  // namespace luthier::gpt2
