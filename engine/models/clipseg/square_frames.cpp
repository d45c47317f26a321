// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/clipseg/square_frames.h"

#include <cmath>

#include "engine/models/processor_files.h"
#include "engine/vision/shown_part.h"

namespace luthier {

namespace {

constexpr std::int64_t kMostPatches = 1 << 14, kWidestSaid = 1 << 14;

Status check_frames(const std::filesystem::path& folder, const ProcessorDefaults& defaults,
                    std::int64_t patch, std::int64_t square) {
  const std::string where = folder.string();
  LUTHIER_TRY(const std::unique_ptr<ImageProcessor> processor,
              ImageProcessor::load(folder, defaults));
  std::int64_t edge = 0;
  for (const auto& [width, height] : {std::pair(60, 40), std::pair(40, 60)}) {
    LUTHIER_TRY(const PixelValues outline, outline_of(*processor, width, height, where));
    const std::vector<std::int64_t>& shape = outline.shape;
    const bool one = shape.size() == 4 && shape[0] == 1 && shape[1] == 3;
    if (!one || shape[2] != shape[3] || (edge > 0 && shape[2] != edge))
      return input_error("The picture processor does not make each picture one square of one size.",
                         where,
                         "The decoder goes by squares: a ViTImageProcessor with do_resize and a "
                         "size of equal height and width makes them.");
    edge = shape[2];
    const auto* shows = dynamic_cast<const ShowsPart*>(processor.get());
    if (!shows) continue;
    LUTHIER_TRY(const PicturePart part, shows->shown_part(width, height));
    const auto off = [](double a, double b) { return std::abs(a - b) > 1e-6; };
    if (off(part.left, 0) || off(part.top, 0) || off(part.width, 1) || off(part.height, 1))
      return input_error(
          "The picture processor does not show the model the picture as it is, "
          "and a mask would lie beside it.",
          where, "Set do_center_crop and do_pad to false.");
  }
  const std::int64_t side = edge / patch;
  if (side < 1)
    return input_error("The picture processor makes frames of " + std::to_string(edge) +
                           " pixels, and a patch is " + std::to_string(patch) + ".",
                       where, "Processor and weights do not belong together.");
  if (side * side > kMostPatches || side > kWidestSaid / square)
    return input_error("The picture processor makes frames of " + std::to_string(side * side) +
                           " patches, of which " + std::to_string(square) +
                           " pixels a side are said.",
                       where, "That is more than this program takes: make its size smaller.");
  return {};
}

}  // namespace

PicturePlan square_frames_beside(const char* processor, std::int64_t patch, std::int64_t square) {
  const ProcessorDefaults defaults{processor};
  const auto tokens = [defaults, patch,
                       square](const std::filesystem::path& files) -> Result<ImageTokens> {
    LUTHIER_CHECK(check_frames(files, defaults, patch, square));
    ImageTokens beside;  // a picture stands beside its prompt, not in it
    beside.mark.clear();
    return beside;
  };
  return PicturePlan{-1, defaults, tokens};
}

}  // namespace luthier
