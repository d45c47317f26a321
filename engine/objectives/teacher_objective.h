// SPDX-License-Identifier: GPL-3.0-or-later
// What objectives that learn from a teacher have in common: a frozen model of its own, asked about
// the micro-batch first, and the distance of the model's next-token distributions from its, over
// the labelled tokens.
#pragma once

#include <string>

#include "engine/objectives/objective.h"

namespace luthier {

class TeacherObjective : public Objective {
 public:
  /// `section`: of the recipe.
  TeacherObjective(const Recipe& recipe, const std::string& section, double temperature,
                   bool tells_entropy);

  WindowRule window_rule() const override { return WindowRule::Counts; }
  bool needs_reference() const override { return true; }
  bool reference_teaches() const override { return true; }
  std::string reference_checkpoint() const override { return teacher_; }
  const char* reference_field() const override { return field_.c_str(); }
  std::int64_t count(const MicroBatch& rows) const override { return rows.labels(); }
  LossSum loss(Policy& policy, const Batch& batch) override;
  LossCost cost(const Pass& pass, const HeadCost& head) const override;
  NamedTensors shown(Policy& policy, const Batch& batch) override;

 private:
  const std::string field_, teacher_;
  const Divergence divergence_;
  const bool tells_entropy_;
};

}  // namespace luthier
