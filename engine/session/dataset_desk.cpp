// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/session/dataset_desk.h"

#include "engine/session/run_observer.h"

namespace luthier {

Result<DatasetStatistics> recipe_statistics(const Recipe& recipe, const Dataset& dataset,
                                            const RowProgress& progress) {
  StatisticsRequest request;
  std::shared_ptr<const ChatProcessor> processor;
  if (!recipe.model.empty()) {
    LUTHIER_TRY(processor, load_processor(recipe));
  }
  request.processor = processor.get();
  request.kind = &row_kind_of(recipe);
  request.loss_on = loss_on_from_name(recipe.training.loss_on);
  return dataset_statistics(dataset, request, progress);
}

}  // namespace luthier
