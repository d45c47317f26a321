// SPDX-License-Identifier: GPL-3.0-or-later
// What the picture processors read from their configurations, checked: sizes in the forms
// transformers knows, means, filters, switches. Every number may be hostile, so each has bounds,
// and each refusal names its field. For this room, and for families that hold the same numbers
// against their own.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "engine/vision/image_processor.h"

namespace luthier::detail {

constexpr std::int64_t kMaxEdge =
    16384;  // no tower takes more; a hostile configuration could ask for any memory

/// The forms transformers' `size` takes; 0 where a key is absent.
struct Size {
  std::int64_t height = 0, width = 0, shortest_edge = 0, longest_edge = 0, max_height = 0,
               max_width = 0;
};

struct Extent {
  std::int64_t width = 0, height = 0;
  bool operator==(const Extent&) const = default;
};

/// What all processors have; each starts from its own defaults.
struct CommonSettings {
  bool do_resize = true, do_rescale = true, do_normalize = true;
  bool number_is_square =
      false;  // what a `size` that is one number means: a square, or the shorter edge
  Size size;
  Resample resample = Resample::Bicubic;
  double rescale_factor = 1.0 / 255;
  std::array<double, 3> mean{}, std{};
};

constexpr std::array<double, 3> kClipMean{0.48145466, 0.4578275, 0.40821073},
    kClipStd{0.26862954, 0.26130258, 0.27577711};
constexpr std::array<double, 3> kHalves{0.5, 0.5, 0.5};

bool present(const Json& config, const std::string& key);
Result<std::int64_t> json_int_in(const Json& config, const std::string& key,
                                 const std::string& where, std::int64_t fallback,
                                 std::int64_t lowest, std::int64_t highest);
/// A number (the shorter edge, or a square), a pair [height, width], or an object of named edges.
Result<Size> read_size(const Json& value, bool number_is_square, const std::string& where);
/// A size that has height and width: a number is a square.
Result<Extent> read_extent(const Json& value, const std::string& where);
/// All fields of CommonSettings but `size`, which the processors understand differently.
Status read_common(const Json& config, const std::string& where, CommonSettings& settings);
/// `size` as transformers' own resize takes it; refuses one that says nothing when pictures are to
/// be resized.
Status read_resize_size(const Json& config, const std::string& where, CommonSettings& settings);
/// What a checkpoint folder says of its picture processor, completed by its family's `defaults`;
/// `where` names file and place.
struct PictureSettings {
  Json config;
  std::string where;
};
Result<PictureSettings> read_picture_settings(const std::filesystem::path& folder,
                                              const ProcessorDefaults& defaults);
/// A processor whose pictures all get one size, or tiles of one size, has no pixel limits: refuses
/// the recipe's, which stand in its section "image" or "film".
Status refuse_limits(const PixelLimits& limits, const std::string& section = "image");

}  // namespace luthier::detail
