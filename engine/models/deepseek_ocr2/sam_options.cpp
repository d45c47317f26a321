// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/deepseek_ocr2/sam_options.h"

#include <algorithm>
#include <cmath>

#include "engine/models/config_numbers.h"

namespace luthier {

namespace {

constexpr std::int64_t kWidestSam = 1 << 20;

Status read_widths(const Json& config, const std::string& where, SamOptions& o) {
  LUTHIER_CHECK(read_in_range(config, "output_channels", where, 1, kWidestSam, o.neck));
  const auto found = config.find("downsample_channels");
  if (found == config.end() || found->is_null()) return {};
  const std::string place = where + ": downsample_channels";
  const bool list = found->is_array() && found->size() >= 2 &&
                    std::all_of(found->begin(), found->begin() + 2,
                                [](const Json& each) { return each.is_number_integer(); });
  if (!list) return input_error("A list of two widths is expected.", place);
  o.between = (*found)[0].get<std::int64_t>(), o.out = (*found)[1].get<std::int64_t>();
  LUTHIER_CHECK(in_range(o.between, 1, kWidestSam, where, "downsample_channels"));
  return in_range(o.out, 1, kWidestSam, where, "downsample_channels");
}

Status read_sam_mlp_width(const Json& config, const std::string& where, SamOptions& o) {
  LUTHIER_TRY(const double ratio, json_number(config, "mlp_ratio", where, 4.0));
  const double wide = static_cast<double>(o.hidden_size) * ratio;
  if (!std::isfinite(wide) || wide < 1 || wide > 4 * kWidestSam)
    return input_error("A number is expected that makes a width of hidden_size.",
                       where + ": mlp_ratio");
  o.intermediate_size = static_cast<std::int64_t>(wide);
  return read_in_range(config, "mlp_dim", where, 1, 4 * kWidestSam, o.intermediate_size);
}

/// transformers asks of each of its layers whether it is in the list.
Status read_whole_layers(const Json& config, const std::string& where, SamOptions& o) {
  Json layers = {2, 5, 8, 11};
  if (const auto found = config.find("global_attn_indexes");
      found != config.end() && !found->is_null())
    layers = *found;
  const bool list =
      layers.is_array() && std::all_of(layers.begin(), layers.end(),
                                       [](const Json& each) { return each.is_number_integer(); });
  if (!list)
    return input_error("A list of layer numbers is expected.", where + ": global_attn_indexes");
  o.whole.assign(static_cast<std::size_t>(o.num_hidden_layers), o.window == 0);
  for (const Json& layer : layers) {
    const auto number = layer.get<std::int64_t>();
    if (number >= 0 && number < o.num_hidden_layers)
      o.whole[static_cast<std::size_t>(number)] = true;
  }
  return {};
}

}  // namespace

Result<SamOptions> read_sam_options(const Json& config, const std::string& where) {
  SamOptions o;
  o.image_height = o.image_width = 1024;
  o.patch_size = 16;
  o.layer_norm_eps = 1e-6, o.initializer_range = 1e-10;
  o.hidden_act = Activation::Gelu;
  // Pairs, which other towers may have, are none of these.
  for (const char* key : {"image_size", "patch_size"}) {
    LUTHIER_TRY([[maybe_unused]] const std::int64_t number, json_int(config, key, where, 1));
  }
  LUTHIER_CHECK(read_vision_sizes(config, where, o));
  LUTHIER_CHECK(read_sam_mlp_width(config, where, o));
  LUTHIER_CHECK(read_widths(config, where, o));
  LUTHIER_TRY(o.qkv_bias, json_bool(config, "qkv_bias", where, true));
  LUTHIER_TRY(o.absolute, json_bool(config, "use_abs_pos", where, true));
  LUTHIER_TRY(o.relative, json_bool(config, "use_rel_pos", where, true));
  LUTHIER_CHECK(read_in_range(config, "window_size", where, 0, 1024, o.window));
  LUTHIER_CHECK(read_whole_layers(config, where, o));
  return o;
}

}  // namespace luthier
