// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/optim/optimizers.h"

#include <map>
#include <stdexcept>

#include "engine/config/kind_lists.h"
#include "engine/optim/step_room.h"

namespace luthier {

#define LUTHIER_DECLARE(NAME)                                                     \
  std::unique_ptr<Optimizer> NAME##_optimizer(std::vector<TrainedTensor> tensors, \
                                              const Recipe& recipe);              \
  StepRoom NAME##_step_room(const TrainedShape& shape, const Recipe& recipe);
LUTHIER_OPTIMIZERS(LUTHIER_DECLARE)
#undef LUTHIER_DECLARE

std::unique_ptr<Optimizer> make_optimizer(std::vector<TrainedTensor> tensors,
                                          const Recipe& recipe) {
  using Make = std::unique_ptr<Optimizer> (*)(std::vector<TrainedTensor>, const Recipe&);
#define LUTHIER_ROW(NAME) {#NAME, NAME##_optimizer},
  static const std::map<std::string, Make> table{LUTHIER_OPTIMIZERS(LUTHIER_ROW)};
#undef LUTHIER_ROW
  const auto found = table.find(recipe.training.optim);
  if (found == table.end())
    throw std::logic_error("no optimizer is called " + recipe.training.optim);
  return found->second(std::move(tensors), recipe);
}

StepRoom step_room(const TrainedShape& shape, const Recipe& recipe) {
  using Room = StepRoom (*)(const TrainedShape&, const Recipe&);
#define LUTHIER_ROW(NAME) {#NAME, NAME##_step_room},
  static const std::map<std::string, Room> table{LUTHIER_OPTIMIZERS(LUTHIER_ROW)};
#undef LUTHIER_ROW
  const auto found = table.find(recipe.training.optim);
  if (found == table.end())
    throw std::logic_error("no optimizer is called " + recipe.training.optim);
  return found->second(shape, recipe);
}

}  // namespace luthier
