// SPDX-License-Identifier: GPL-3.0-or-later
// Which pixels of a picture prompts mean, to be seen: a map of probabilities a prompt, the pictures
// of it, and how much of the picture it is. No LibTorch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/vision/image.h"

namespace luthier {

class ChatProcessor;
struct LoadedModel;

/// What is sought: what a text says, or what a picture shows.
struct SegmentPrompt {
  std::string text;               ///< empty: the picture is the prompt
  std::filesystem::path picture;  ///< empty: the text is
};

/// Of a prompt, at the picture's own size.
struct ProbabilityMap {
  int width = 0, height = 0;
  std::vector<float> values;  ///< [height, width], that the prompt means the pixel

  double mean() const;
  /// The pixels whose probability is above the threshold.
  std::int64_t pixels_above(double threshold) const;
};

/// A map a prompt, whatever the model was taught (zero-shot segmentation). The model's numbers are
/// stretched to the picture along straight lines behind the sigmoid. An Input error where the model
/// does not say which pixels a prompt means, a prompt is empty, or a picture cannot be read.
Result<std::vector<ProbabilityMap>> segment_picture(const LoadedModel& model,
                                                    const ChatProcessor& processor,
                                                    const std::filesystem::path& picture,
                                                    const std::vector<SegmentPrompt>& prompts);

/// Black where the probability is 0, white where it is 1.
Image probability_picture(const ProbabilityMap& map);
/// The picture in grey, and in a colour of each prompt's own the pixels above the threshold; where
/// several are, the likeliest's.
Image overlay_picture(const Image& picture, const std::vector<ProbabilityMap>& maps,
                      double threshold);

}  // namespace luthier
