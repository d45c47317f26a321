// SPDX-License-Identifier: GPL-3.0-or-later
// LLaVA-NeXT (Liu et al. 2024): LLaVA over the whole picture and tiles of it, whose features are
// laid out as the tiles lie, freed of the padding that the picture was given, and closed line by
// line with a learned vector. As LlavaNextForConditionalGeneration of transformers 5.17.
#pragma once

#include <vector>

#include "engine/models/llava/llava.h"
#include "engine/vision/pinpoints.h"

namespace luthier {

struct LlavaNextOptions {
  LlavaOptions llava;
  std::vector<detail::Extent> pinpoints;  ///< each of whole tiles of the tower's size
};
Result<LlavaNextOptions> read_llava_next_options(const Json& config, const std::string& where);

/// What is left of tiles' features, rows × columns, when a picture's padding is taken out: lines
/// `top`… of `rows`, from `left` on `columns`.
struct Unpadded {
  std::int64_t rows = 0, columns = 0, top = 0, left = 0;
  std::int64_t features() const { return rows * (columns + 1); }  ///< each line and its end
};
Unpadded unpad(detail::Extent picture, std::int64_t rows, std::int64_t columns);

/// The row of the family table.
extern const Family llava_next_family;

}  // namespace luthier
