// SPDX-License-Identifier: GPL-3.0-or-later
// An LFM2's text config: which layers convolve and which attend, and the widths that follow from
// others.
#include <cmath>

#include "engine/models/config_numbers.h"
#include "engine/models/decoder.h"
#include "engine/models/gated_convolution.h"

namespace luthier {

namespace {

/// Whether each layer attends.
Result<std::vector<bool>> read_attending(const Json& config, const std::string& where,
                                         std::int64_t layers) {
  const auto count = static_cast<std::size_t>(layers);
  const auto types = config.find("layer_types"), places = config.find("full_attn_idxs");
  if (types != config.end() && !types->is_null()) {
    if (!types->is_array())
      return input_error("A list of layer types is expected.", where + ": layer_types");
    if (types->size() != count) {
      return input_error("There are " + std::to_string(types->size()) + " layer types for " +
                             std::to_string(layers) + " layers.",
                         where + ": layer_types");
    }
    std::vector<bool> attend;
    for (const Json& type : *types) {
      if (type != "conv" && type != "full_attention") {
        return input_error("The layer type " + type.dump() + " is not known.",
                           where + ": layer_types", "Known are conv and full_attention.");
      }
      attend.push_back(type == "full_attention");
    }
    return attend;
  }
  if (places == config.end() || places->is_null()) return std::vector<bool>(count, true);
  if (!places->is_array())
    return input_error("A list of layer numbers is expected.", where + ": full_attn_idxs");
  std::vector<bool> attend(count, false);
  for (const Json& place : *places) {
    if (!place.is_number_integer())
      return input_error("Whole numbers are expected.", where + ": full_attn_idxs");
    // As the configuration class has it, what is no layer's number is no one's.
    const auto layer = place.get<std::int64_t>();
    if (layer >= 0 && layer < layers) attend[static_cast<std::size_t>(layer)] = true;
  }
  return attend;
}

/// Two thirds of what the config says, times a factor, up to the next multiple; a factor that is
/// null leaves it at two thirds.
Status adjust_width(const Json& config, const std::string& where, std::int64_t& width) {
  LUTHIER_TRY(const bool adjust, json_bool(config, "block_auto_adjust_ff_dim", where, true));
  if (!adjust) return {};
  width = 2 * width / 3;
  const auto factor = config.find("block_ffn_dim_multiplier");
  if (factor == config.end() || !factor->is_null()) {
    LUTHIER_TRY(const double times, json_number(config, "block_ffn_dim_multiplier", where, 1));
    if (!std::isfinite(times) || times <= 0 || times > 1024)
      return input_error("A number above 0 is expected.", where + ": block_ffn_dim_multiplier");
    std::int64_t multiple = 256;
    LUTHIER_CHECK(read_in_range(config, "block_multiple_of", where, 1, 1 << 22, multiple));
    width = static_cast<std::int64_t>(times * static_cast<double>(width));
    width = multiple * ((width + multiple - 1) / multiple);
  }
  return in_range(width, 1, 1 << 22, where, "intermediate_size");
}

}  // namespace

Status read_lfm2(const Json& config, const std::string& where, DecoderOptions& o) {
  ConvolutionOptions convolutions;
  LUTHIER_TRY(const std::vector<bool> attend, read_attending(config, where, o.num_hidden_layers));
  bool any = false;
  for (const bool each : attend) {
    convolutions.layers.push_back(!each);
    any = any || !each;
  }
  LUTHIER_CHECK(read_in_range(config, "conv_L_cache", where, 1, 1 << 10, convolutions.kernel));
  LUTHIER_TRY(convolutions.bias, json_bool(config, "conv_bias", where, false));
  if (any) o.convolutions = convolutions;
  // Names of before transformers knew the model win where a file has both.
  LUTHIER_CHECK(read_in_range(config, "block_ff_dim", where, 1, 1 << 22, o.intermediate_size));
  LUTHIER_TRY(o.tie_word_embeddings,
              json_bool(config, "tie_embedding", where, o.tie_word_embeddings));
  return adjust_width(config, where, o.intermediate_size);
}

void untie_lfm2(Json& config) {
  config["tie_word_embeddings"] = false;
  config.erase("tie_embedding");
  const auto text = config.find("text_config");
  if (text != config.end() && text->is_object()) untie_lfm2(*text);
}

}  // namespace luthier
