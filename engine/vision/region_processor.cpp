// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/vision/region_processor.h"

#include "engine/vision/processor_settings.h"

namespace luthier {

namespace {

constexpr std::int64_t kMostNumbers = 1 << 20;

Error no_pictures() {
  return input_error("The model reads regions that a detector found, and no pictures.", "",
                     "Give rows of a text and a file of regions: {\"text\": \"…\", \"regions\": "
                     "\"….safetensors\"}.");
}

}  // namespace

Result<PixelValues> RegionProcessor::process(const Image& /*image*/) const { return no_pictures(); }

Result<PixelValues> RegionProcessor::outline(int /*width*/, int /*height*/) const {
  return no_pictures();
}

ProcessorDefaults region_defaults(const RegionNeeds& needs) {
  return {kRegionFeatures,
          {{"image_processor_type", kRegionFeatures},
           {needs.width_field, needs.width},
           {"boxes", needs.boxes},
           {"objects", needs.objects},
           {"attributes", needs.attributes},
           {"answers", needs.answers}}};
}

Result<std::unique_ptr<ImageProcessor>> detail::create_region_processor(const Json& config,
                                                                        const std::string& where,
                                                                        const PixelLimits& limits) {
  if (limits.any())
    return input_error("The model reads regions that a detector found, and no pixels to limit.",
                       "image", "Leave min_pixels and max_pixels out.");
  RegionNeeds needs;
  if (config.contains("visual_embedding_dim")) needs.width_field = "visual_embedding_dim";
  LUTHIER_TRY(needs.width, json_int_in(config, needs.width_field, where, 0, 1, kMostNumbers));
  LUTHIER_TRY(needs.boxes, json_bool(config, "boxes", where, false));
  LUTHIER_TRY(needs.objects, json_int_in(config, "objects", where, 0, 0, kMostNumbers));
  LUTHIER_TRY(needs.attributes, json_int_in(config, "attributes", where, 0, 0, kMostNumbers));
  LUTHIER_TRY(needs.answers, json_int_in(config, "answers", where, 0, 0, kMostNumbers));
  return std::unique_ptr<ImageProcessor>(std::make_unique<RegionProcessor>(needs));
}

}  // namespace luthier
