// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/gpt2/gpt2_options.h"

#include <cmath>

#include "engine/models/config_numbers.h"

namespace luthier::gpt2 {

double Options::scale(std::int64_t layer) const {
  const double by_width =
      scale_attn_weights ? 1 / std::sqrt(static_cast<double>(n_embd / n_head)) : 1;
  return scale_by_layer ? by_width / static_cast<double>(layer + 1) : by_width;
}

Result<Options> read_options(const Json& config, const std::string& where) {
  Options o;
  LUTHIER_CHECK(read_in_range(config, "vocab_size", where, 1, 1 << 24, o.vocab_size));
  LUTHIER_CHECK(read_in_range(config, "n_positions", where, 1, 1 << 22, o.n_positions));
  LUTHIER_CHECK(read_in_range(config, "n_embd", where, 1, 1 << 20, o.n_embd));
  LUTHIER_CHECK(read_in_range(config, "n_layer", where, 1, 4096, o.n_layer));
  LUTHIER_CHECK(read_in_range(config, "n_head", where, 1, 1 << 16, o.n_head));
  if (o.n_embd % o.n_head != 0) {
    return input_error("n_embd is " + std::to_string(o.n_embd) + ", no multiple of the " +
                           std::to_string(o.n_head) + " heads.",
                       where + ": n_head");
  }
  o.n_inner = 4 * o.n_embd;
  if (const auto inner = config.find("n_inner"); inner != config.end() && !inner->is_null())
    LUTHIER_CHECK(read_in_range(config, "n_inner", where, 1, 1 << 22, o.n_inner));
  LUTHIER_TRY(const std::string act, json_string(config, "activation_function", where, "gelu_new"));
  LUTHIER_TRY(o.activation, parse_activation(act, where + ": activation_function"));
  LUTHIER_TRY(o.layer_norm_epsilon,
              json_number(config, "layer_norm_epsilon", where, o.layer_norm_epsilon));
  LUTHIER_TRY(o.initializer_range,
              json_number(config, "initializer_range", where, o.initializer_range));
  LUTHIER_TRY(o.scale_attn_weights, json_bool(config, "scale_attn_weights", where, true));
  LUTHIER_TRY(o.scale_by_layer, json_bool(config, "scale_attn_by_inverse_layer_idx", where, false));
  LUTHIER_TRY(o.across, json_bool(config, "add_cross_attention", where, false));
  LUTHIER_TRY(o.tie_word_embeddings, json_bool(config, "tie_word_embeddings", where, true));
  return o;
}

double drawn_range(const Options& options, const std::string& name) {
  if (!name.ends_with(".c_proj.weight")) return options.initializer_range;
  return options.initializer_range / std::sqrt(2.0 * static_cast<double>(options.n_layer));
}

bool is_turned_name(const std::string& name) {
  for (const char* product :
       {".c_attn.weight", ".q_attn.weight", ".c_proj.weight", ".c_fc.weight"}) {
    if (name.ends_with(product)) return true;
  }
  return false;
}

}  // namespace luthier::gpt2
