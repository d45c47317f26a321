// SPDX-License-Identifier: GPL-3.0-or-later
// Which evaluation of a run is its best and when it has waited long enough for a better one: the
// rules of transformers' Trainer and its EarlyStoppingCallback, as plain arithmetic. No LibTorch.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "engine/base/result.h"
#include "engine/config/recipe.h"

namespace luthier {

struct BestRules {
  std::string metric = "eval_loss";
  bool greater = false;       ///< a larger one is better
  std::int64_t patience = 0;  ///< evaluations without a better one that end the run; 0: none do
  double threshold = 0;       ///< by how much it must be better for that
  bool loads = false;         ///< the best checkpoint is the result
};
BestRules best_rules(const Recipe& recipe);

/// What the evaluations so far came to: transformers' best_metric, best_global_step and
/// early_stopping_patience_counter.
struct BestSoFar {
  std::optional<double> metric;
  std::int64_t step = 0;    ///< of the best evaluation; 0: there was none
  std::int64_t waited = 0;  ///< evaluations since the last one that counts as better

  bool operator==(const BestSoFar&) const = default;
};

/// One more evaluation, after `step` steps. True: it is the best so far. As the reference does,
/// early stopping compares with the best before this one, and what is better by less than the
/// threshold becomes the best all the same.
bool take_metric(BestSoFar& best, const BestRules& rules, std::int64_t step, double value);
/// Whether the run has waited long enough.
bool stops_early(const BestSoFar& best, const BestRules& rules);

/// The measure among an evaluation's figures ("eval_loss", …); an Input error names those that
/// there are.
Result<double> metric_among(const std::map<std::string, double>& figures, const BestRules& rules);

}  // namespace luthier
