// SPDX-License-Identifier: GPL-3.0-or-later
// Stochastic gradient descent, with the momentum that torch.optim.SGD has: one float32 number a
// trained one, or none without momentum.
#include "engine/config/field_rows.h"
#include "engine/config/kinds.h"

namespace luthier {
namespace {

Status check_sgd(const Recipe& recipe) {
  if (!recipe.more.flag("training.nesterov")) return {};
  if (recipe.more.number("training.momentum") > 0 && recipe.more.number("training.dampening") == 0)
    return {};
  return cross_fault("training.nesterov", "needs a momentum, and no dampening.",
                     "Set training.momentum above 0 and training.dampening to 0.");
}

}  // namespace

OptimizerKind sgd_optimizer_kind() {
  OptimizerKind kind{
      {"sgd",
       "Plain gradient descent, with momentum where it is set.",
       rows::fields_of(
           {rows::kind_number("training.momentum", "Momentum",
                              "How much of the last steps' direction goes into this one.", 0)
                .at_least(0)
                .below(1)
                .advanced(),
            rows::kind_number("training.dampening", "Dampening",
                              "Share of a gradient that the momentum does not take in.", 0)
                .at_least(0)
                .at_most(1)
                .advanced(),
            rows::kind_boolean("training.nesterov", "Nesterov momentum",
                               "Look ahead along the momentum before stepping.", false)
                .advanced()}),
       {},
       {},
       check_sgd}};
  kind.state = [](const TrainedShape& shape, const Recipe& recipe) {
    std::vector<StateTensor> kept;
    if (recipe.more.number("training.momentum") > 0)
      kept.push_back({"momentum_buffer", shape.sizes});
    return kept;
  };
  return kind;
}

}  // namespace luthier
