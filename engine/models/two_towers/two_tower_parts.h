// SPDX-License-Identifier: GPL-3.0-or-later
// What models of two towers have in common: vectors of length 1, a product at a tower's end and its
// costs, numbers for the summary, and pictures that stand beside their texts.
#pragma once

#include "engine/models/cost.h"
#include "engine/models/family.h"
#include "engine/models/vision_parts.h"

namespace luthier {

/// Each vector divided by its length: [.., width].
torch::Tensor unit_vectors(const torch::Tensor& x);

/// Ids and labels of a pass, and pixels where the tower learns.
Stage two_tower_inputs(const Pass& pass, bool tower_trains);

/// A product of so many rows at a tower's end.
Stage end_product_cost(const StepTerms& terms, const Linear& linear, std::int64_t rows);

/// The texts' sizes as those of a model.
ModelGeometry text_geometry(const VisionSizes& text, std::int64_t vocab_size);

/// Of models whose pictures stand beside their texts, a frame each, of no side below `smallest`.
PicturePlan pictures_beside(const char* processor, std::int64_t smallest = 1);

}  // namespace luthier
