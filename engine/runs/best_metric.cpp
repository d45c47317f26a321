// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/runs/best_metric.h"

#include <cmath>

namespace luthier {

BestRules best_rules(const Recipe& recipe) {
  const KindValues& values = recipe.more;
  BestRules rules;
  rules.metric = values.text("training.metric_for_best_model");
  const std::string greater = values.text("training.greater_is_better");
  rules.greater = greater == "auto" ? !rules.metric.ends_with("loss") : greater == "true";
  if (!rules.metric.starts_with("eval_")) rules.metric.insert(0, "eval_");
  rules.patience = values.integer("training.early_stopping_patience");
  rules.threshold = values.number("training.early_stopping_threshold");
  rules.loads = values.flag("training.load_best_model_at_end");
  return rules;
}

bool take_metric(BestSoFar& best, const BestRules& rules, std::int64_t step, double value) {
  if (!std::isfinite(value)) {  // better than nothing, and worse than any
    best.waited = best.metric ? best.waited + 1 : 0;
    return false;
  }
  const bool better = !best.metric || (rules.greater ? value > *best.metric : value < *best.metric);
  const bool counts = !best.metric || (better && std::abs(value - *best.metric) > rules.threshold);
  best.waited = counts ? 0 : best.waited + 1;
  if (!better) return false;
  best.metric = value;
  best.step = step;
  return true;
}

bool stops_early(const BestSoFar& best, const BestRules& rules) {
  return rules.patience > 0 && best.waited >= rules.patience;
}

Result<double> metric_among(const std::map<std::string, double>& figures, const BestRules& rules) {
  const auto found = figures.find(rules.metric);
  if (found != figures.end()) return found->second;
  std::string names;
  for (const auto& [name, value] : figures) names += (names.empty() ? "" : ", ") + name;
  return input_error("The evaluation tells no " + rules.metric + ".",
                     "training.metric_for_best_model", "It tells " + names + ".");
}

}  // namespace luthier
