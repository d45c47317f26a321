// SPDX-License-Identifier: GPL-3.0-or-later
// transformers' TrainingArguments, and what TRL's configs add to them, of a recipe's `training`.
#include <cmath>

#include "engine/config/kinds.h"
#include "engine/config/recipe_field.h"
#include "engine/config/watch_fields.h"
#include "engine/handover/script.h"

namespace luthier::handover {

namespace {

std::string number(double value) { return python_literal(Json(value)); }
std::string number(std::int64_t value) { return std::to_string(value); }

void add_length(Keywords& words, const TrainingSettings& training) {
  if (training.max_steps > 0)
    words.emplace_back("max_steps", number(training.max_steps));
  else
    words.emplace_back("num_train_epochs", number(training.num_train_epochs));
}

/// A share of the steps stays one, as transformers takes it, unless it is all of them.
std::string warmup(const TrainingSettings& training, std::int64_t steps) {
  if (training.warmup_steps > 0) return number(training.warmup_steps);
  if (training.warmup_ratio == 0) return "0";
  return training.warmup_ratio < 1 ? number(training.warmup_ratio) : number(steps);
}

void add_optimizer(Keywords& words, const Recipe& recipe) {
  const TrainingSettings& training = recipe.training;
  words.emplace_back("optim", python_text(training.optim));
  const std::vector<std::string> shares = optimizer_kind(training.optim).shares;
  const auto shared = [&](const char* key) {
    return std::find(shares.begin(), shares.end(), key) != shares.end();
  };
  if (shared("training.adam_beta1")) {
    words.emplace_back("adam_beta1", number(training.adam_beta1));
    words.emplace_back("adam_beta2", number(training.adam_beta2));
  }
  if (shared("training.adam_epsilon"))
    words.emplace_back("adam_epsilon", number(training.adam_epsilon));
  if (training.optim != "sgd") return;
  std::string given;
  for (const char* key : {"momentum", "dampening", "nesterov"}) {
    const Json value = setting_value(recipe, std::string("training.") + key);
    if ((value.is_boolean() && !value.get<bool>()) ||
        (value.is_number() && value.get<double>() == 0))
      continue;
    given += (given.empty() ? "" : ",") + std::string(key) + "=" + python_literal(value);
  }
  if (!given.empty()) words.emplace_back("optim_args", python_text(given));
}

/// Steps between two evaluations; 0: there is one at the end.
std::int64_t evaluation_steps(const TrainingSettings& training) {
  return training.eval_steps > 0 ? training.eval_steps : training.save_steps;
}

void add_watch(Keywords& words, const Recipe& recipe, const ScriptFacts& facts) {
  const TrainingSettings& training = recipe.training;
  words.emplace_back("logging_steps", number(training.logging_steps));
  words.emplace_back("report_to", "\"none\"");
  const std::int64_t every = evaluation_steps(training);
  const bool evaluates = facts.evaluates && every > 0;
  if (evaluates) {
    words.emplace_back("eval_strategy", "\"steps\"");
    words.emplace_back("eval_steps", number(every));
  }
  if (facts.evaluates)
    words.emplace_back("per_device_eval_batch_size", number(training.per_device_train_batch_size));
  const bool best = evaluates && recipe.more.flag("training.load_best_model_at_end");
  // The best is one of the checkpoints, so that there is one at each evaluation.
  const std::int64_t saves = best ? every : training.save_steps;
  words.emplace_back("save_strategy", saves > 0 ? "\"steps\"" : "\"no\"");
  if (saves > 0) {
    words.emplace_back("save_steps", number(saves));
    if (training.save_total_limit > 0)
      words.emplace_back("save_total_limit", number(training.save_total_limit));
  }
  if (best) words.emplace_back("load_best_model_at_end", "True");
  if (!evaluates || !seeks_best(recipe)) return;
  words.emplace_back("metric_for_best_model",
                     python_text(recipe.more.text("training.metric_for_best_model")));
  const std::string greater = recipe.more.text("training.greater_is_better");
  if (greater != "auto")
    words.emplace_back("greater_is_better", greater == "true" ? "True" : "False");
}

}  // namespace

Keywords training_arguments(const Recipe& recipe, const ScriptFacts& facts) {
  const TrainingSettings& training = recipe.training;
  Keywords words{{"output_dir", "str(HERE / \"run\")"}};
  if (training.device == "cpu") words.emplace_back("use_cpu", "True");
  words.emplace_back("bf16", "BF16");
  words.emplace_back("seed", number(training.seed));
  add_length(words, training);
  words.emplace_back("per_device_train_batch_size", number(training.per_device_train_batch_size));
  words.emplace_back("gradient_accumulation_steps", "ACCUMULATION // RANKS");
  words.emplace_back("learning_rate", number(training.learning_rate));
  words.emplace_back("lr_scheduler_type", python_text(training.lr_scheduler_type));
  words.emplace_back("warmup_steps", warmup(training, facts.steps));
  words.emplace_back("weight_decay", number(training.weight_decay));
  words.emplace_back("max_grad_norm", number(training.max_grad_norm));
  add_optimizer(words, recipe);
  // It changes no number; where memory decides, it is decided for less of it.
  words.emplace_back("gradient_checkpointing",
                     training.gradient_checkpointing == "false" ? "False" : "True");
  words.emplace_back("train_sampling_strategy", training.shuffle ? "\"random\"" : "\"sequential\"");
  words.emplace_back("max_length",
                     training.max_length > 0 ? number(training.max_length) : std::string("None"));
  if (facts.rows.tokenizing == Tokenizing::Assistant)
    words.emplace_back("assistant_only_loss", "True");
  words.insert(words.end(), facts.objective.begin(), facts.objective.end());
  add_watch(words, recipe, facts);
  return words;
}

}  // namespace luthier::handover
