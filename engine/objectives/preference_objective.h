// SPDX-License-Identifier: GPL-3.0-or-later
// What objectives of preferences have in common, of pairs and of single answers: a term is a row,
// adapters drop nothing (TRL's disable_dropout), and the loss of the model's routers stands beside.
#pragma once

#include <string>

#include "engine/objectives/router_loss.h"

namespace luthier {

class PreferenceObjective : public Objective {
 public:
  /// `section`: of the recipe, with the settings that all of them have.
  PreferenceObjective(const Recipe& recipe, const std::string& section)
      : routers_(recipe, section + ".router_aux_loss_coef") {}

  Status fits(const LoadedModel& base) const override {
    LUTHIER_CHECK(Objective::fits(base));
    return routers_.fits(base);
  }
  bool adds_up(Model& model) const override { return routers_.weight_of(model) == 0; }
  bool dropout() const override { return false; }
  std::int64_t count(const MicroBatch& rows) const override {
    return static_cast<std::int64_t>(rows.encoded.size());
  }

 protected:
  const RouterLoss& routers() const { return routers_; }

 private:
  const RouterLoss routers_;
};

}  // namespace luthier
