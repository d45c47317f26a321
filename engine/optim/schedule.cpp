// SPDX-License-Identifier: GPL-3.0-or-later
// The schedules; all arithmetic in double.
#include "engine/optim/schedule.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <utility>

namespace luthier {

namespace {

constexpr double kPolynomialEnd = 1e-7, kTimescale = 10'000;  // transformers'

constexpr std::array<std::pair<const char*, Schedule::Kind>, 7> kSchedules{
    {{"constant", Schedule::Kind::Constant},
     {"constant_with_warmup", Schedule::Kind::ConstantWithWarmup},
     {"linear", Schedule::Kind::Linear},
     {"cosine", Schedule::Kind::Cosine},
     {"cosine_with_restarts", Schedule::Kind::CosineWithRestarts},
     {"polynomial", Schedule::Kind::Polynomial},
     {"inverse_sqrt", Schedule::Kind::InverseSqrt}}};

double half_wave(double share) {
  return std::max(0.0, 0.5 * (1 + std::cos(std::numbers::pi * share)));
}

}  // namespace

double Schedule::factor(std::int64_t done) const {
  if (kind == Kind::Constant) return 1;  // transformers ignores the warmup here
  const double at = static_cast<double>(done), warmup = static_cast<double>(warmup_steps),
               total = static_cast<double>(total_steps);
  if (done < warmup_steps) return at / std::max(1.0, warmup);
  if (kind == Kind::ConstantWithWarmup) return 1;
  const double rest = std::max(1.0, total - warmup), share = (at - warmup) / rest;
  switch (kind) {
    case Kind::Linear: return std::max(0.0, (total - at) / rest);
    case Kind::CosineWithRestarts: return share >= 1 ? 0 : half_wave(share);
    case Kind::Polynomial:
      return at > total ? end_share : (1 - end_share) * (1 - share) + end_share;
    case Kind::InverseSqrt: {
      const double scale = warmup > 0 ? warmup : kTimescale;
      return 1 / std::sqrt((at + scale - warmup) / scale);
    }
    default: return half_wave(share);
  }
}

Result<Schedule> make_schedule(const TrainingSettings& training, std::int64_t total_steps) {
  Schedule schedule;
  schedule.total_steps = total_steps;
  schedule.warmup_steps = training.warmup_steps > 0
                              ? training.warmup_steps
                              : static_cast<std::int64_t>(std::ceil(
                                    static_cast<double>(total_steps) * training.warmup_ratio));
  const std::string& name = training.lr_scheduler_type;
  const auto found = std::find_if(kSchedules.begin(), kSchedules.end(),
                                  [&name](const auto& each) { return name == each.first; });
  if (found == kSchedules.end()) {
    std::string known;
    for (const auto& [each, kind] : kSchedules)
      known += (known.empty() ? "" : ", ") + std::string(each);
    return input_error("There is no schedule '" + name + "'.", "training.lr_scheduler_type",
                       "Use one of " + known + ".");
  }
  schedule.kind = found->second;
  if (schedule.kind == Schedule::Kind::Polynomial) {
    if (training.learning_rate <= kPolynomialEnd)
      return input_error("A polynomial schedule ends at a rate of 1e-7.", "training.learning_rate",
                         "Set a rate above that.");
    schedule.end_share = kPolynomialEnd / training.learning_rate;
  }
  return schedule;
}

}  // namespace luthier
