// SPDX-License-Identifier: GPL-3.0-or-later
// Reading and bounding the fields that picture processors share.
#include "engine/vision/processor_settings.h"

#include <cmath>
#include <utility>

namespace luthier::detail {

namespace {

constexpr double kMaxFactor =
    1e6;  // means, deviations, rescale factors: far beyond use, far within a float

Result<std::int64_t> edge(const Json& value, const std::string& where) {
  if (!value.is_number_integer() || value.get<std::int64_t>() < 1 ||
      value.get<std::int64_t>() > kMaxEdge)
    return input_error("A picture size must be a whole number from 1 to " +
                           std::to_string(kMaxEdge) + ", not " + value.dump() + ".",
                       where);
  return value.get<std::int64_t>();
}

// A number for all three channels, or three numbers.
Status read_channels(const Json& config, const std::string& key, const std::string& where,
                     std::array<double, 3>& values) {
  if (!present(config, key)) return {};
  const Json& value = config[key];
  const auto refuse = [&] {
    return input_error("This must be a number or three numbers, each from -1e6 to 1e6.",
                       where + ": " + key);
  };
  const auto usable = [](const Json& number) {
    return number.is_number() && std::fabs(number.get<double>()) <= kMaxFactor;
  };
  if (usable(value)) {
    values.fill(value.get<double>());
    return {};
  }
  if (!value.is_array() || value.size() != 3) return refuse();
  for (std::size_t i = 0; i < 3; ++i) {
    if (!usable(value[i])) return refuse();
    values[i] = value[i].get<double>();
  }
  return {};
}

}  // namespace

bool present(const Json& config, const std::string& key) {
  return config.contains(key) && !config[key].is_null();
}

Result<std::int64_t> json_int_in(const Json& config, const std::string& key,
                                 const std::string& where, std::int64_t fallback,
                                 std::int64_t lowest, std::int64_t highest) {
  LUTHIER_TRY(const std::int64_t number, json_int(config, key, where, fallback));
  if (number < lowest || number > highest)
    return input_error("This must be from " + std::to_string(lowest) + " to " +
                           std::to_string(highest) + ", not " + std::to_string(number) + ".",
                       where + ": " + key);
  return number;
}

Result<Size> read_size(const Json& value, bool number_is_square, const std::string& where) {
  Size size;
  if (value.is_number()) {
    LUTHIER_TRY(const std::int64_t number, edge(value, where));
    if (number_is_square)
      size.height = size.width = number;
    else
      size.shortest_edge = number;
    return size;
  }
  if (value.is_array() && value.size() == 2) {
    LUTHIER_TRY(size.height, edge(value[0], where));
    LUTHIER_TRY(size.width, edge(value[1], where));
    return size;
  }
  if (!value.is_object())
    return input_error(
        "A picture size must be a number, a pair or an object, not " + value.dump() + ".", where);
  const std::pair<const char*, std::int64_t Size::*> keys[] = {
      {"height", &Size::height},
      {"width", &Size::width},
      {"shortest_edge", &Size::shortest_edge},
      {"longest_edge", &Size::longest_edge},
      {"max_height", &Size::max_height},
      {"max_width", &Size::max_width}};
  for (const auto& [name, member] : keys)
    if (present(value, name)) {
      LUTHIER_TRY(size.*member, edge(value[name], where + "." + name));
    }
  return size;
}

Result<Extent> read_extent(const Json& value, const std::string& where) {
  LUTHIER_TRY(const Size size, read_size(value, true, where));
  if (!size.height || !size.width) return input_error("This size needs height and width.", where);
  return Extent{size.width, size.height};
}

Status read_common(const Json& config, const std::string& where, CommonSettings& settings) {
  LUTHIER_TRY(settings.do_resize, json_bool(config, "do_resize", where, settings.do_resize));
  LUTHIER_TRY(settings.do_rescale, json_bool(config, "do_rescale", where, settings.do_rescale));
  LUTHIER_TRY(settings.do_normalize,
              json_bool(config, "do_normalize", where, settings.do_normalize));
  LUTHIER_TRY(settings.number_is_square,
              json_bool(config, "default_to_square", where, settings.number_is_square));
  LUTHIER_TRY(const std::int64_t filter,
              json_int(config, "resample", where, static_cast<std::int64_t>(settings.resample)));
  if (filter < 0 || filter > 5)
    return input_error("The resampling filter must be one of Pillow's, 0 to 5.",
                       where + ": resample");
  settings.resample = static_cast<Resample>(filter);
  LUTHIER_TRY(settings.rescale_factor,
              json_number(config, "rescale_factor", where, settings.rescale_factor));
  if (!(std::fabs(settings.rescale_factor) <= kMaxFactor))
    return input_error("This must be from -1e6 to 1e6.", where + ": rescale_factor");
  LUTHIER_CHECK(read_channels(config, "image_mean", where, settings.mean));
  LUTHIER_CHECK(read_channels(config, "image_std", where, settings.std));
  for (const double value : settings.std)
    if (settings.do_normalize && static_cast<float>(value) == 0.0f)
      return input_error("image_std must not be zero.", where + ": image_std");
  return {};
}

Status read_resize_size(const Json& config, const std::string& where, CommonSettings& settings) {
  if (present(config, "size")) {
    LUTHIER_TRY(settings.size,
                read_size(config["size"], settings.number_is_square, where + ": size"));
  }
  const Size& size = settings.size;
  if (settings.do_resize && !size.shortest_edge && !(size.height && size.width) &&
      !(size.max_height && size.max_width))
    return input_error(
        "The size must have shortest_edge, height and width, or max_height and max_width.",
        where + ": size");
  return {};
}

Status refuse_limits(const PixelLimits& limits, const std::string& section) {
  if (!limits.min_pixels && !limits.max_pixels) return {};
  return input_error(
      "This model's processor gives every picture one size, or tiles of one size, so it has no "
      "pixel limits to change.",
      section + ".min_pixels, " + section + ".max_pixels", "Leave both null.");
}

}  // namespace luthier::detail
