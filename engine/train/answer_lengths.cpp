// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/train/answer_lengths.h"

#include <algorithm>
#include <optional>

#include "engine/config/kinds.h"
#include "engine/generate/answer_room.h"

namespace luthier {

namespace {

/// The objective's own setting of how long an answer that is drawn may get; none: it draws none.
std::optional<std::string> length_setting(const Recipe& recipe) {
  for (const char* name : {".max_completion_length", ".max_new_tokens", ".response_length"}) {
    const std::string key = recipe.objective + name;
    for (const RecipeField& field : objective_kind(recipe.objective).fields)
      if (field.about.key == key) return key;
  }
  return std::nullopt;
}

/// Tokens before the first one that is learned from.
std::int64_t prompt_tokens_of(const Example& row) {
  const auto first = std::find_if(row.labels.begin(), row.labels.end(),
                                  [](std::int64_t label) { return label != kIgnoreLabel; });
  return first - row.labels.begin();
}

}  // namespace

Status check_answer_lengths(const RunParts& run) {
  const std::int64_t positions = positions_of(run.base);
  const GenerationPlan& plan = run.plan.generations;
  const bool draws = plan ? !plan.given : run.objective->rolls_out();
  const auto setting = length_setting(run.recipe);
  if (positions <= 0 || !draws || !setting || !run.base.model->causal()) return {};
  const std::int64_t longest = run.recipe.more.integer(*setting);
  for (const std::int64_t row : run.rows.rows) {
    const auto read = run.reader.read(row, 0, nullptr, /*outline=*/true);
    if (!read) continue;  // said where it comes to it
    for (const Example& sequence : read->sequences) {
      const std::int64_t prompt = prompt_tokens_of(sequence);
      if (prompt + longest <= positions) continue;
      const std::string where = run.reader.dataset->where(static_cast<std::size_t>(row));
      if (prompt >= positions)
        return input_error("The prompt has " + std::to_string(prompt) +
                               " tokens, and the model has " + std::to_string(positions) +
                               " positions.",
                           where, "Shorten the row, or take it out.");
      return input_error(
          "The prompt of " + where + " has " + std::to_string(prompt) +
              " tokens and its answer may have " + std::to_string(longest) +
              ", and the model has " + std::to_string(positions) + " positions.",
          *setting,
          "Set it to " + std::to_string(positions - prompt) + " or less, or shorten the row.");
    }
  }
  return {};
}

}  // namespace luthier
