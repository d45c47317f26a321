// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/vision/pinpoints.h"

#include <algorithm>

#include "engine/vision/frames.h"

namespace luthier::detail {

namespace {

constexpr std::size_t kMaxPinpoints = 4096;

}  // namespace

Status read_pinpoints(const Json& config, const std::string& where,
                      std::vector<Extent>& pinpoints) {
  if (!present(config, "image_grid_pinpoints")) return {};
  const Json& list = config["image_grid_pinpoints"];
  const std::string field = where + ": image_grid_pinpoints";
  if (!list.is_array() || list.empty() || list.size() > kMaxPinpoints)
    return input_error(
        "This must be a list of 1 to " + std::to_string(kMaxPinpoints) + " pairs [height, width].",
        field);
  pinpoints.clear();
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string at = field + "[" + std::to_string(i) + "]";
    if (!list[i].is_array() || list[i].size() != 2)
      return input_error("This must be a pair [height, width].", at);
    LUTHIER_TRY(const Extent pinpoint, read_extent(list[i], at));
    if (pinpoint.width * pinpoint.height > kMaxResized)
      return input_error("This resolution is too large.", at);
    pinpoints.push_back(pinpoint);
  }
  return {};
}

std::vector<Extent> usual_pinpoints() {
  return {{672, 336}, {336, 672}, {672, 672}, {336, 1008}, {1008, 336}};
}

std::vector<Extent> onevision_pinpoints() {
  std::vector<Extent> pinpoints;
  for (std::int64_t down = 1; down <= 6; ++down)
    for (std::int64_t across = 1; across <= 6; ++across)
      pinpoints.push_back({384 * across, 384 * down});
  return pinpoints;
}

Extent best_resolution(const std::vector<Extent>& pinpoints, Extent from) {
  const double width = static_cast<double>(from.width), height = static_cast<double>(from.height);
  Extent best;
  std::int64_t most_kept = -1, least_wasted = 0;
  for (const Extent& pinpoint : pinpoints) {
    const double scale = std::min(static_cast<double>(pinpoint.width) / width,
                                  static_cast<double>(pinpoint.height) / height);
    const std::int64_t kept = std::min(
        static_cast<std::int64_t>(width * scale) * static_cast<std::int64_t>(height * scale),
        from.width * from.height);
    const std::int64_t wasted = pinpoint.width * pinpoint.height - kept;
    if (kept < most_kept || (kept == most_kept && wasted >= least_wasted)) continue;
    most_kept = kept;
    least_wasted = wasted;
    best = pinpoint;
  }
  return best;
}

}  // namespace luthier::detail
