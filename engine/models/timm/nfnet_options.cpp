// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <array>
#include <string_view>

#include "engine/models/config_numbers.h"
#include "engine/models/pictures/config_lists.h"
#include "engine/models/timm/nfnet_body.h"

namespace luthier {

namespace {

constexpr const char* kNfnetBegins = "dm_nfnet_f";
constexpr std::int64_t kLargestNfnet = 6;
constexpr std::int64_t kChannelStep = 8;  // channels are multiples of it

/// timm's make_divisible: a multiple of eight near `wanted`, never below 90 % of it.
std::int64_t timm_channels(double wanted) {
  const auto half = static_cast<std::int64_t>(wanted + kChannelStep / 2.0);
  std::int64_t made = std::max(kChannelStep, half / kChannelStep * kChannelStep);
  if (static_cast<double>(made) < 0.9 * wanted) made += kChannelStep;
  return made;
}

/// "dm_nfnet_f3", or with the weights' tag behind it: 3.
Result<std::int64_t> nfnet_number(const std::string& architecture, const std::string& where) {
  for (std::int64_t number = 0; number <= kLargestNfnet; ++number) {
    const std::string name = kNfnetBegins + std::to_string(number);
    if (architecture == name || architecture.starts_with(name + ".")) return number;
  }
  return input_error("The timm architecture \"" + architecture.substr(0, 100) +
                         "\" is not one that Luthier can load.",
                     where + ": architecture", "It loads: dm_nfnet_f0 to dm_nfnet_f6.");
}

Status read_arguments(const Json& args, const std::string& where, NfnetOptions& o) {
  static constexpr std::array kKnown{"depths",       "channels",       "stem_chs",   "group_size",
                                     "num_features", "alpha",          "attn_gain",  "std_conv_eps",
                                     "bottle_ratio", "skipinit",       "act_layer",  "in_chans",
                                     "drop_rate",    "drop_path_rate", "global_pool"};
  for (const auto& item : args.items())
    if (std::find(kKnown.begin(), kKnown.end(), item.key()) == kKnown.end())
      return input_error("This argument of timm's is not one that Luthier knows for an NFNet.",
                         where + ": " + item.key(), "Leave it out.");
  LUTHIER_CHECK(read_list_in_range(args, "depths", where, 16, 1, 512, o.depths));
  LUTHIER_CHECK(read_list_in_range(args, "channels", where, 16, kChannelStep, 1 << 14, o.channels));
  LUTHIER_CHECK(read_in_range(args, "stem_chs", where, 8, 1 << 14, o.stem));
  LUTHIER_CHECK(read_in_range(args, "group_size", where, kChannelStep, 1 << 12, o.group_size));
  LUTHIER_CHECK(read_in_range(args, "num_features", where, kChannelStep, 1 << 16, o.features));
  std::int64_t colours = 3;
  LUTHIER_CHECK(read_in_range(args, "in_chans", where, 3, 3, colours));
  for (const auto& [key, value] : {std::pair{"alpha", &o.alpha},
                                   {"attn_gain", &o.attn_gain},
                                   {"std_conv_eps", &o.epsilon},
                                   {"bottle_ratio", &o.bottle_ratio}}) {
    LUTHIER_TRY(*value, json_number(args, key, where, *value));
    if (!(*value > 0) || *value > 64)
      return input_error("A number above 0 and at most 64 is expected.", where + ": " + key);
  }
  LUTHIER_TRY(o.skipinit, json_bool(args, "skipinit", where, o.skipinit));
  LUTHIER_TRY(const std::string act, json_string(args, "act_layer", where, "gelu"));
  if (act != "gelu" && act != "silu" && act != "relu")
    return input_error("The act_layer \"" + act + "\" is not known.", where + ": act_layer",
                       "It is gelu, silu or relu.");
  LUTHIER_TRY(o.activation, parse_activation(act, where + ": act_layer"));
  LUTHIER_TRY(const std::string pool, json_string(args, "global_pool", where, "avg"));
  if (pool != "avg")
    return input_error(
        "A head behind another pooling than the mean is not one that Luthier can "
        "load.",
        where + ": global_pool");
  return {};
}

Status check_blocks(const std::string& where, const NfnetOptions& o) {
  if (o.depths.empty() || o.depths.size() != o.channels.size())
    return input_error("There are not as many depths as channels.", where + ": depths");
  if (o.stem % kChannelStep != 0)
    return input_error("The stem begins with an eighth of its channels.", where + ": stem_chs",
                       "Choose a multiple of 8.");
  for (const std::int64_t out : o.channels)
    if (o.groups(out) < 1)
      return input_error("A block of " + std::to_string(out) +
                             " channels is narrower inside than "
                             "a group.",
                         where + ": group_size", "Choose smaller groups, or more channels.");
  return {};
}

}  // namespace

std::int64_t NfnetOptions::groups(std::int64_t out) const {
  return timm_channels(static_cast<double>(out) * bottle_ratio) / group_size;
}

std::int64_t NfnetOptions::middle(std::int64_t out) const { return group_size * groups(out); }

std::int64_t NfnetOptions::smallest_frame() const {
  return std::int64_t{4} << std::min<std::size_t>(depths.size() - 1, 11);
}

Status read_nfnet_options(const Json& config, const std::string& where, NfnetOptions& o) {
  LUTHIER_TRY(const std::string architecture, json_string(config, "architecture", where));
  LUTHIER_TRY(const std::int64_t number, nfnet_number(architecture, where));
  for (std::int64_t& depth : o.depths) depth *= number + 1;
  const auto args = config.find("model_args");
  const std::string place = where + ": model_args";
  if (args != config.end() && !args->is_null()) {
    if (!args->is_object()) return input_error("An object is expected.", place);
    LUTHIER_CHECK(read_arguments(*args, place, o));
  }
  for (std::int64_t& channels : o.channels) channels = timm_channels(static_cast<double>(channels));
  o.features = timm_channels(static_cast<double>(o.features));
  if (o.group_size % kChannelStep != 0)
    return input_error("Groups are of a multiple of 8 channels.", place + ": group_size");
  return check_blocks(place, o);
}

}  // namespace luthier
