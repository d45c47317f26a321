// SPDX-License-Identifier: GPL-3.0-or-later
// Models that look at regions of a picture (VisualBERT, LXMERT) and not at its pixels: what a
// detector made of each region stands in a file of the row's. Their folders hold no picture
// processor; config.json says what a region must bring along, and this takes the processor's place,
// so that who encodes a row can hold its regions against it.
#pragma once

#include "engine/vision/image_processor.h"

namespace luthier {

/// What a model asks of a region.
struct RegionNeeds {
  std::int64_t width = 0;                       ///< numbers of its features
  const char* width_field = "visual_feat_dim";  ///< config.json's field that says so
  bool boxes = false;                           ///< whether it must have a box
  /// Classes that heads over regions tell apart; 0: there is no such head.
  std::int64_t objects = 0, attributes = 0;
  std::int64_t answers = 0;  ///< to questions, that a head of pretraining tells apart; 0: none
};

/// How PixelValues hold a row's regions: values [regions, width + kRegionNumbers], of each region
/// its features, then the numbers below; grid {regions, words}, and behind these of each region the
/// tokens that it is aligned to, `words` of them, −1 where there are fewer.
namespace region_numbers {
inline constexpr std::int64_t kBox = 0;  ///< x1, y1, x2, y2, as shares of the picture's sides
inline constexpr std::int64_t kObject = 4, kObjectConfidence = 5, kAttribute = 6,
                              kAttributeConfidence = 7;
}  // namespace region_numbers
inline constexpr std::int64_t kRegionNumbers = 8;
inline constexpr std::int64_t kMostRegions = 1024;  ///< of a row

class RegionProcessor : public ImageProcessor {
 public:
  explicit RegionProcessor(const RegionNeeds& needs) : needs_(needs) {}

  const RegionNeeds& needs() const { return needs_; }
  /// Refused, as the outline: pictures become regions in a detector, which is none of the model's.
  Result<PixelValues> process(const Image& image) const override;
  Result<PixelValues> outline(int width, int height) const override;

 private:
  RegionNeeds needs_;
};

inline constexpr const char* kRegionFeatures = "RegionFeatures";  ///< its type
/// By which ImageProcessor::load makes one whatever the folder holds.
ProcessorDefaults region_defaults(const RegionNeeds& needs);

namespace detail {
Result<std::unique_ptr<ImageProcessor>> create_region_processor(const Json& config,
                                                                const std::string& where,
                                                                const PixelLimits& limits);
}  // namespace detail

}  // namespace luthier
