// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/two_towers/image_text_pretraining.h"

#include <algorithm>

namespace luthier {

NextTokens next_tokens(const torch::Tensor& ids, const std::vector<std::int64_t>& lengths,
                       std::size_t rows) {
  std::vector<std::int64_t> places;
  std::int64_t start = 0;
  for (std::size_t row = 0; row < std::min(rows, lengths.size()); ++row) {
    for (std::int64_t i = 0; i + 1 < lengths[row]; ++i) places.push_back(start + i);
    start += lengths[row];
  }
  NextTokens next;
  next.places = torch::tensor(places, torch::kInt64).to(ids.device());
  next.tokens = ids.index_select(0, next.places + 1);
  return next;
}

}  // namespace luthier
