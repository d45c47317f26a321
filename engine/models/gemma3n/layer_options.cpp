// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/gemma3n/layer_options.h"

#include <algorithm>
#include <cmath>

#include "engine/models/config_numbers.h"
#include "engine/models/decoder.h"
#include "engine/models/decoder_positions.h"
#include "engine/models/decoder_switches.h"

namespace luthier {

namespace {

/// A number of each layer under `key`, as a list of as many as there are layers.
Result<const Json*> list_of_layers(const Json& config, const char* key, const std::string& where,
                                   std::int64_t layers) {
  const auto found = config.find(key);
  if (found == config.end() || found->is_null()) return nullptr;
  if (!found->is_array() || static_cast<std::int64_t>(found->size()) != layers) {
    return input_error("A list of " + std::to_string(layers) + " numbers is expected, one a layer.",
                       where + ": " + key);
  }
  return &*found;
}

Status read_widths(const Json& config, const std::string& where, DecoderOptions& o,
                   Gemma3nOptions& g) {
  constexpr const char* kKey = "intermediate_size";
  const auto found = config.find(kKey);
  if (found != config.end() && found->is_array()) {
    LUTHIER_TRY(const Json* list, list_of_layers(config, kKey, where, o.num_hidden_layers));
    for (const Json& each : *list) {
      if (!each.is_number_integer())
        return input_error("A list of whole numbers is expected.", where + ": " + kKey);
      g.widths.push_back(each.get<std::int64_t>());
    }
  } else {
    LUTHIER_TRY(const std::int64_t width, json_int(config, kKey, where, 16384));
    g.widths.assign(static_cast<std::size_t>(o.num_hidden_layers), width);
  }
  for (const std::int64_t width : g.widths) LUTHIER_CHECK(in_range(width, 1, 1 << 22, where, kKey));
  o.intermediate_size = *std::max_element(g.widths.begin(), g.widths.end());
  return {};
}

/// A standard normal distribution's value that a share of `sparsity` lies below, as float32 has it.
double deviations(double sparsity) {
  const torch::Tensor share = torch::full({}, sparsity, torch::kFloat32);
  return (torch::erfinv(2 * share - 1) * std::sqrt(2.0)).item<float>();
}

Status read_cutoffs(const Json& config, const std::string& where, std::int64_t layers,
                    Gemma3nOptions& g) {
  constexpr const char* kKey = "activation_sparsity_pattern";
  constexpr std::int64_t kSparse = 10;  // of a model with more layers than that the first
  LUTHIER_TRY(const Json* list, list_of_layers(config, kKey, where, layers));
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    double sparsity = layers > kSparse && layer < kSparse ? 0.95 : 0;
    if (list) {
      const Json& each = (*list)[static_cast<std::size_t>(layer)];
      sparsity = each.is_number() ? each.get<double>() : -1;
    }
    if (!(sparsity >= 0 && sparsity < 1))
      return input_error("Shares from 0 to below 1 are expected.", where + ": " + kKey);
    g.cutoffs.push_back(sparsity > 0 ? std::optional(deviations(sparsity)) : std::nullopt);
  }
  return {};
}

Status read_streams(const Json& config, const std::string& where, Gemma3nOptions& g) {
  LUTHIER_TRY(g.streams, json_int(config, "altup_num_inputs", where, 4));
  LUTHIER_CHECK(in_range(g.streams, 1, 64, where, "altup_num_inputs"));
  LUTHIER_TRY(g.active, json_int(config, "altup_active_idx", where, 0));
  LUTHIER_CHECK(in_range(g.active, 0, g.streams - 1, where, "altup_active_idx"));
  LUTHIER_TRY(g.coefficient_clip, json_number(config, "altup_coef_clip", where, 120.0));
  if (!(g.coefficient_clip > 0) || !std::isfinite(g.coefficient_clip))
    return input_error("A number above 0 is expected.", where + ": altup_coef_clip");
  LUTHIER_TRY(g.scales_corrected, json_bool(config, "altup_correct_scale", where, true));
  LUTHIER_TRY(g.laurel_rank, json_int(config, "laurel_rank", where, 64));
  return in_range(g.laurel_rank, 1, 1 << 14, where, "laurel_rank");
}

Status read_token_embeddings(const Json& config, const std::string& where, Gemma4Options& g) {
  LUTHIER_TRY(g.per_layer_width, json_int(config, "hidden_size_per_layer_input", where, 256));
  LUTHIER_CHECK(in_range(g.per_layer_width, 1, 1 << 14, where, "hidden_size_per_layer_input"));
  LUTHIER_TRY(g.per_layer_vocabulary,
              json_int(config, "vocab_size_per_layer_input", where, 262144));
  LUTHIER_CHECK(in_range(g.per_layer_vocabulary, 1, 1 << 24, where, "vocab_size_per_layer_input"));
  if (const auto pad = config.find("pad_token_id"); pad != config.end() && pad->is_null()) {
    g.padding = -1;
    return {};
  }
  LUTHIER_TRY(g.padding, json_int(config, "pad_token_id", where, 0));
  return in_range(g.padding, 0, g.per_layer_vocabulary - 1, where, "pad_token_id");
}

Status read_places(const Json& config, const std::string& where, DecoderOptions& o) {
  LUTHIER_TRY(std::vector<bool> sliding, read_listed_windows(config, where, o.num_hidden_layers));
  constexpr std::int64_t kPeriod = 5;
  for (std::int64_t layer = static_cast<std::int64_t>(sliding.size()); layer < o.num_hidden_layers;
       ++layer)
    sliding.push_back((layer + 1) % kPeriod != 0);
  LUTHIER_TRY(const std::int64_t window, json_int(config, "sliding_window", where, 512));
  LUTHIER_CHECK(in_range(window, 1, 1ll << 40, where, "sliding_window"));
  for (const bool slides : sliding)
    o.sliding_windows.push_back(slides ? std::optional(window) : std::nullopt);
  const RotaryDefaults defaults{1e6, 32768, {}, false, 1};
  LUTHIER_TRY(o.rotary, read_layer_rotary(config, o.head_dim, where, defaults, /*sliding=*/false));
  LUTHIER_TRY(o.local_rotary,
              read_layer_rotary(config, o.head_dim, where, defaults, /*sliding=*/true));
  return {};
}

}  // namespace

Status read_gemma3n_layers(const Json& config, const std::string& where, DecoderOptions& o) {
  Gemma3nOptions own;
  Gemma4Options shared;
  o.embedding_scale = std::sqrt(static_cast<double>(o.hidden_size));
  o.attention_scale = 1;
  o.two_rotaries = o.window_in_blocks = true;
  shared.global_head_dim = o.head_dim, shared.global_key_value_heads = o.num_key_value_heads;
  LUTHIER_CHECK(read_widths(config, where, o, own));
  LUTHIER_CHECK(read_cutoffs(config, where, o.num_hidden_layers, own));
  LUTHIER_CHECK(read_streams(config, where, own));
  LUTHIER_CHECK(read_places(config, where, o));
  LUTHIER_CHECK(read_key_sources(config, where, o.sliding_windows, 15, shared));
  LUTHIER_CHECK(read_token_embeddings(config, where, shared));
  LUTHIER_CHECK(read_logit_cap(config, where, 30.0, o));
  o.gemma4 = std::move(shared);
  o.gemma3n = std::move(own);
  return {};
}

}  // namespace luthier
