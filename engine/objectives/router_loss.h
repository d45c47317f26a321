// SPDX-License-Identifier: GPL-3.0-or-later
// The loss that keeps a model's mixtures of experts evenly used, beside an objective's own as TRL's
// trainers add it: where the model's text config has `output_router_logits`, or where the recipe
// says by how much.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "engine/objectives/objective.h"

namespace luthier {

class RouterLoss {
 public:
  /// `field`: of the recipe, that says by how much.
  RouterLoss(const Recipe& recipe, std::string field)
      : field_(std::move(field)), asked_(recipe.more.optional_number(field_)) {}

  /// Refuses a weight for experts that are not there.
  Status fits(const LoadedModel& base) const;
  double weight_of(Model& model) const;
  /// Where the model writes down what its routers make of the batch; null: nobody asks.
  std::shared_ptr<RouterNotes> notes(Model& model, const Batch& batch) const;
  /// Adds to a batch's loss what the notes come to.
  void join(LossSum& loss, Model& model, const std::shared_ptr<RouterNotes>& notes) const;

 private:
  std::string field_;
  std::optional<double> asked_;
};

}  // namespace luthier
