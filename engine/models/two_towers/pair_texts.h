// SPDX-License-Identifier: GPL-3.0-or-later
// The texts of pairs, one behind another, as a model reads them that matches them with pictures.
#pragma once

#include <vector>

#include "engine/models/two_towers/pair_matcher.h"
#include "engine/nn/rows.h"

namespace luthier {

struct PairTexts {
  std::vector<std::int64_t> lengths;
  torch::Tensor words;     ///< where each token of theirs stands in input_ids
  torch::Tensor pictures;  ///< of each pair, by its number in the input

  /// Of each text among `words`.
  torch::Tensor begins() const { return row_starts(lengths).to(words.device()); }
};
inline PairTexts texts_of(const PairMatcher::Pairs& pairs, const ModelInput& input) {
  TORCH_CHECK(pairs.texts.size() == pairs.pictures.size() && !pairs.texts.empty(),
              "a pair is a text and a picture");
  const torch::Tensor starts = row_starts(input.lengths);
  const std::int64_t* start_of = starts.const_data_ptr<std::int64_t>();
  PairTexts texts;
  std::vector<std::int64_t> words;
  for (const std::int64_t row : pairs.texts) {
    const std::int64_t length = input.lengths[static_cast<std::size_t>(row)];
    texts.lengths.push_back(length);
    for (std::int64_t i = 0; i < length; ++i) words.push_back(start_of[row] + i);
  }
  const auto device = input.input_ids.device();
  texts.words = torch::tensor(words, torch::kInt64).to(device);
  texts.pictures = torch::tensor(pairs.pictures, torch::kInt64).to(device);
  return texts;
}

}  // namespace luthier
