// SPDX-License-Identifier: GPL-3.0-or-later
// What the families of models that read regions say to be loaded by.
#pragma once

#include "engine/models/bert/text_embeddings.h"
#include "engine/models/visual_bert/region_reader.h"

namespace luthier {

/// Of a `Made` of these options, which name its tables of words, initializer_range and answers.
template <class Made, class Options>
Plan region_plan(const Options& options, const RegionNeeds& needs) {
  Plan plan;
  plan.build = builder<Made>(options);
  plan.pictures = regions_beside(needs);
  plan.initializer_range = options.initializer_range;
  plan.longest_row = longest_row(options.tables);
  plan.labels.classes = options.answers;
  return plan;
}

}  // namespace luthier
