// SPDX-License-Identifier: GPL-3.0-or-later
// transformers has written these two numbers in three ways: min_pixels and max_pixels at the top,
// the same two inside `size`, and (today) as the shortest_edge and longest_edge of `size`, which
// are pixel counts there. All three are read.
#include "engine/vision/pixel_limits.h"

#include "engine/io/files.h"
#include "engine/vision/processor_settings.h"

namespace luthier {

namespace fs = std::filesystem;
using detail::json_int_in;
using detail::present;

namespace {

constexpr std::int64_t kMaxLimit = std::int64_t{1}
                                   << 48;  // a configuration may say "as large as it is"

/// As transformers writes them today, and at the top too, where older versions look and which wins
/// in all.
void put(Json& settings, const PixelRange& range) {
  settings["size"] = Json{{"shortest_edge", range.least}, {"longest_edge", range.most}};
  settings["min_pixels"] = range.least;
  settings["max_pixels"] = range.most;
}

Status rewrite(const fs::path& path, const PixelRange& range) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return {};
  LUTHIER_TRY(Json file, read_json_file(path));
  const bool whole = path.filename() == "processor_config.json";
  if (whole && !file.contains("image_processor")) return {};
  put(whole ? file["image_processor"] : file, range);
  return write_file_atomically(path, file.dump(2) + "\n");
}

}  // namespace

Status check_pixel_limit(std::int64_t pixels, const std::string& field) {
  if (pixels >= 1 && pixels <= kMaxLimit) return {};
  return input_error("A number of pixels must be at least 1.", field);
}

Result<PixelRange> read_pixel_range(const Json& config, const std::string& where,
                                    const PixelLimits& limits, const PixelRange& standard,
                                    const std::string& section) {
  PixelRange range = standard;
  if (present(config, "size")) {
    const Json& size = config["size"];
    const std::string in = where + ": size";
    if (!size.is_object())
      return input_error("This must be an object with shortest_edge and longest_edge, in pixels.",
                         in);
    const bool old = !present(size, "shortest_edge") && !present(size, "longest_edge");
    const char *least = old ? "min_pixels" : "shortest_edge",
               *most = old ? "max_pixels" : "longest_edge";
    if ((!present(size, least) && !present(config, "min_pixels")) ||
        (!present(size, most) && !present(config, "max_pixels")))
      return input_error("This must have shortest_edge and longest_edge, in pixels.", in);
    LUTHIER_TRY(range.least, json_int_in(size, least, in, range.least, 1, kMaxLimit));
    LUTHIER_TRY(range.most, json_int_in(size, most, in, range.most, 1, kMaxLimit));
  }
  LUTHIER_TRY(range.least, json_int_in(config, "min_pixels", where, range.least, 1, kMaxLimit));
  LUTHIER_TRY(range.most, json_int_in(config, "max_pixels", where, range.most, 1, kMaxLimit));
  if (limits.min_pixels) {
    LUTHIER_CHECK(check_pixel_limit(*limits.min_pixels, section + ".min_pixels"));
    range.least = *limits.min_pixels;
  }
  if (limits.max_pixels) {
    LUTHIER_CHECK(check_pixel_limit(*limits.max_pixels, section + ".max_pixels"));
    range.most = *limits.max_pixels;
  }
  if (limits.min_pixels && limits.max_pixels && *limits.min_pixels > *limits.max_pixels) {
    return input_error(section + ".min_pixels is above " + section + ".max_pixels.",
                       section + ".min_pixels", "Exchange or clear one of them.");
  }
  return range;
}

Status store_pixel_limits(const fs::path& folder, const ProcessorDefaults& defaults,
                          const PixelLimits& limits) {
  if (!limits.any()) return {};
  LUTHIER_TRY(const detail::PictureSettings settings,
              detail::read_picture_settings(folder, defaults));
  // A processor without limits refuses them here, by name.
  LUTHIER_TRY(const auto processor,
              ImageProcessor::create(settings.config, settings.where, limits));
  LUTHIER_TRY(const PixelRange range, read_pixel_range(settings.config, settings.where, limits));
  LUTHIER_CHECK(rewrite(folder / "preprocessor_config.json", range));
  return rewrite(folder / "processor_config.json", range);
}

}  // namespace luthier
