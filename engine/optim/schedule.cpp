// SPDX-License-Identifier: GPL-3.0-or-later
// The four schedules; all arithmetic in double.
#include "engine/optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace luthier {

double Schedule::factor(std::int64_t done) const {
  if (kind == Kind::Constant) return 1;  // transformers ignores the warmup here
  const double at = static_cast<double>(done), warmup = static_cast<double>(warmup_steps),
               total = static_cast<double>(total_steps);
  if (done < warmup_steps) return at / std::max(1.0, warmup);
  if (kind == Kind::ConstantWithWarmup) return 1;
  const double rest = std::max(1.0, total - warmup);
  if (kind == Kind::Linear) return std::max(0.0, (total - at) / rest);
  return std::max(0.0, 0.5 * (1 + std::cos(std::numbers::pi * ((at - warmup) / rest))));
}

Result<Schedule> make_schedule(const TrainingSettings& training, std::int64_t total_steps) {
  Schedule schedule;
  schedule.total_steps = total_steps;
  schedule.warmup_steps = training.warmup_steps > 0
                              ? training.warmup_steps
                              : static_cast<std::int64_t>(std::ceil(
                                    static_cast<double>(total_steps) * training.warmup_ratio));
  const std::string& name = training.lr_scheduler_type;
  if (name == "constant")
    schedule.kind = Schedule::Kind::Constant;
  else if (name == "constant_with_warmup")
    schedule.kind = Schedule::Kind::ConstantWithWarmup;
  else if (name == "linear")
    schedule.kind = Schedule::Kind::Linear;
  else if (name == "cosine")
    schedule.kind = Schedule::Kind::Cosine;
  else
    return input_error("There is no schedule '" + name + "'.", "training.lr_scheduler_type",
                       "Use constant, constant_with_warmup, linear or cosine.");
  return schedule;
}

}  // namespace luthier
