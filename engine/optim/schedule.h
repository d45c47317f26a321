// SPDX-License-Identifier: GPL-3.0-or-later
// Learning rates as pure functions of the step, as transformers' get_scheduler has them: nothing to
// save, nothing to drift on a resume.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/config/recipe.h"

namespace luthier {

struct Schedule {
  enum class Kind {
    Constant,
    ConstantWithWarmup,
    Linear,
    Cosine,
    CosineWithRestarts,  ///< one cycle, as transformers has it where nothing else is said
    Polynomial,          ///< of the first power, down to 1e-7
    InverseSqrt,
  } kind = Kind::Constant;
  std::int64_t warmup_steps = 0, total_steps = 1;
  double end_share = 0;  ///< Polynomial: of the recipe's rate, where it ends

  /// What the base rate is multiplied with in the step after `done` steps (the first step: 0).
  double factor(std::int64_t done) const;
};

/// The recipe's schedule over `total_steps`: warmup_steps above 0, else ceil(total · warmup_ratio).
Result<Schedule> make_schedule(const TrainingSettings& training, std::int64_t total_steps);

}  // namespace luthier
