// SPDX-License-Identifier: GPL-3.0-or-later
// The table, and what is the same for every objective.
#include "engine/objectives/objective.h"

#include <algorithm>

#include "engine/config/kind_lists.h"
#include "engine/hub/folder_kind.h"

namespace luthier {

void FigureSums::add(const Figures& figures) {
  for (const auto& [name, value] : figures) {
    Sum& sum = sums[name];
    sum.sum += value;
    ++sum.count;
  }
}

void FigureSums::add(const FigureSums& other) {
  for (const auto& [name, each] : other.sums) {
    Sum& sum = sums[name];
    sum.sum += each.sum;
    sum.count += each.count;
  }
}

Figures FigureSums::means() const {
  Figures means;
  for (const auto& [name, each] : sums)
    if (each.count > 0) means[name] = each.sum / static_cast<double>(each.count);
  return means;
}

Status Objective::can_begin() const {
  const std::string named = reference_checkpoint();
  if (named.empty()) return {};
  Status found = check_model_folder(named);
  if (found) return {};
  Error refused = found.error();
  refused.where = std::string(reference_field()) + ": " + refused.where;
  return refused;
}

Status Objective::fits(const LoadedModel& base) const {
  if (base.model->causal()) return {};
  if (base.model->sequence_to_sequence())
    return input_error("A model of type " + std::string(base.family->model_type) +
                           " reads one text or picture and writes another, and this objective is "
                           "about a text that goes on.",
                       "objective", "Choose sft.");
  return input_error("A model of type " + std::string(base.family->model_type) +
                         " predicts no next token, which this objective is about.",
                     "objective", "Choose an objective for such models, as mlm is for encoders.");
}

RowLengths lengths_when_drawn(std::vector<std::int64_t> lengths, std::int64_t labels,
                              std::int64_t longest, bool always) {
  const auto rows = std::max<std::int64_t>(1, static_cast<std::int64_t>(lengths.size()));
  const std::int64_t change = longest - labels / rows,
                     more = always ? change : std::max<std::int64_t>(0, change);
  for (std::int64_t& length : lengths) length += more;
  return {std::move(lengths), {}, labels + rows * more};
}

LossCost Objective::cost(const Pass& pass, const HeadCost& head) const {
  return token_values_cost(pass, head);
}

NamedTensors Objective::shown(Policy& policy, const Batch& batch) {
  const torch::NoGradGuard no_grad;
  return padded(policy.log_probs(batch), batch);
}

std::int64_t rows_at_once(const Objective& objective, const TrainingSettings& training) {
  const std::int64_t batch = training.per_device_train_batch_size;
  // Rows are prompts, each with several samples.
  if (const GenerationPlan plan = objective.generations())
    return plan.learned > 0
               ? batch
               : std::max<std::int64_t>(1, step_size(training, plan).batch_size / plan.samples);
  return objective.window_rule() == WindowRule::Whole ? batch * training.gradient_accumulation_steps
                                                      : batch;
}

std::int64_t rows_evaluated(const Objective& objective, const TrainingSettings& training) {
  const std::int64_t rows = rows_at_once(objective, training);
  return objective.window_rule() == WindowRule::Points ? rows * training.gradient_accumulation_steps
                                                       : rows;
}

#define LUTHIER_DECLARE(NAME) Result<std::unique_ptr<Objective>> make_##NAME(const Recipe& recipe);
LUTHIER_OBJECTIVES(LUTHIER_DECLARE)
#undef LUTHIER_DECLARE

const std::vector<ObjectiveRow>& objectives() {
#define LUTHIER_ROW(NAME) {#NAME, make_##NAME},
  static const std::vector<ObjectiveRow> table{LUTHIER_OBJECTIVES(LUTHIER_ROW)};
#undef LUTHIER_ROW
  return table;
}

Result<std::unique_ptr<Objective>> make_objective(const Recipe& recipe) {
  for (const ObjectiveRow& row : objectives())
    if (recipe.objective == row.name) return row.make(recipe);
  return input_error("There is no objective '" + recipe.objective + "'.", "objective");
}

}  // namespace luthier
