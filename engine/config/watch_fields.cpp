// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/config/watch_fields.h"

#include "engine/config/field_rows.h"
#include "engine/config/kinds.h"

namespace luthier {

namespace {

using namespace rows;

constexpr double kMostSteps = 1e12;

void add_best(std::vector<Row>& rows) {
  rows.push_back(kind_boolean("training.load_best_model_at_end", "Best checkpoint is the result",
                              "The checkpoint with the best evaluation is kept, written at that "
                              "evaluation, and is the run's result; false: the last step is.",
                              false)
                     .advanced());
  rows.push_back(kind_text("training.metric_for_best_model", "Measure of the best",
                           "A figure of the evaluation, with eval_ or without: loss, or what the "
                           "objective and the probe tell besides (probe/token_f1).",
                           "loss")
                     .advanced());
  rows.push_back(kind_choice("training.greater_is_better", "Greater is better",
                             "Whether a larger measure is the better one; auto: unless its name "
                             "ends in loss.",
                             {"auto", "true", "false"}, "auto")
                     .advanced());
  rows.push_back(kind_integer("training.early_stopping_patience", "Early stopping",
                              "The run ends after so many evaluations in a row that are no better "
                              "than the best before; 0: it goes to its last step. Usual: 2 to 5.",
                              0)
                     .unit("evaluations")
                     .at_least(0)
                     .at_most(1e6)
                     .advanced());
  rows.push_back(kind_number("training.early_stopping_threshold", "Early stopping, at least",
                             "By how much the measure must be better for early stopping to count "
                             "it as better.",
                             0.0)
                     .at_least(0)
                     .at_most(1e9)
                     .advanced());
}

void add_samples(std::vector<Row>& rows) {
  rows.push_back(kind_integer("samples.every", "Answer samples every",
                              "Steps between two answers to the same few questions, shown as a "
                              "filmstrip below the curves; 0: none. It costs the answers' time and "
                              "changes nothing of the run. Usual: 20 to 200.",
                              0)
                     .unit("steps")
                     .at_least(0)
                     .at_most(kMostSteps)
                     .advanced());
  rows.push_back(kind_path("samples.dataset", "Sample questions",
                           "A file of rows whose first ones are answered; empty: the evaluation "
                           "data's, or else the training data's.")
                     .advanced());
  rows.push_back(kind_integer("samples.count", "Number of samples",
                              "So many rows of the file are answered each time. Usual: 3 to 8.", 4)
                     .unit("rows")
                     .at_least(1)
                     .at_most(256)
                     .advanced());
  rows.push_back(kind_integer("samples.max_new_tokens", "Longest sample answer",
                              "Tokens after which an answer to a sample ends.", 64)
                     .unit("tokens")
                     .at_least(1)
                     .at_most(65536)
                     .advanced());
}

void add_probe(std::vector<Row>& rows) {
  rows.push_back(kind_path("forgetting.dataset", "What must not be forgotten",
                           "A file of questions with answers that the model is good at before: "
                           "answered at the start and at each evaluation, so that it shows what "
                           "was forgotten; empty: nothing is measured.")
                     .advanced());
  rows.push_back(kind_integer("forgetting.count", "Rows of the probe",
                              "So many rows of the file are answered each time. Usual: 16 to 64.",
                              16)
                     .unit("rows")
                     .at_least(1)
                     .at_most(4096)
                     .advanced());
  rows.push_back(kind_integer("forgetting.max_new_tokens", "Longest probe answer",
                              "Tokens after which an answer to the probe ends.", 64)
                     .unit("tokens")
                     .at_least(1)
                     .at_most(65536)
                     .advanced());
}

}  // namespace

std::vector<RecipeField> watch_fields() {
  std::vector<Row> rows;
  add_best(rows);
  add_samples(rows);
  add_probe(rows);
  return later_fields_of(std::move(rows));
}

std::vector<std::string> sample_files(const Recipe& recipe) {
  if (recipe.more.integer("samples.every") == 0) return {};
  const std::string own = recipe.more.text("samples.dataset");
  if (!own.empty()) return {own};
  return recipe.eval_dataset.empty() ? recipe.dataset : recipe.eval_dataset;
}

bool seeks_best(const Recipe& recipe) {
  return recipe.more.flag("training.load_best_model_at_end") ||
         recipe.more.integer("training.early_stopping_patience") > 0;
}

Status check_watch(const Recipe& recipe) {
  if (seeks_best(recipe) && recipe.eval_dataset.empty() &&
      recipe.more.text("forgetting.dataset").empty()) {
    const bool loads = recipe.more.flag("training.load_best_model_at_end");
    return cross_fault(
        loads ? "training.load_best_model_at_end" : "training.early_stopping_patience",
        "goes by evaluations, but no eval_dataset is named.",
        loads ? "Name eval_dataset, or leave it false." : "Name eval_dataset, or leave it at 0.");
  }
  if (seeks_best(recipe) && recipe.more.text("training.metric_for_best_model").empty())
    return cross_fault("training.metric_for_best_model", "names no figure.",
                       "Write loss, or another figure of the evaluation.");
  if (recipe.more.integer("samples.every") > 0 && sample_files(recipe).empty())
    return cross_fault("samples.every", "asks for answers to samples, but no file has any.",
                       "Name samples.dataset, or set samples.every to 0.");
  return {};
}

}  // namespace luthier
