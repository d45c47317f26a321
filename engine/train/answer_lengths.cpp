// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/train/answer_lengths.h"

#include <algorithm>
#include <optional>

#include "engine/config/kinds.h"
#include "engine/generate/answer_room.h"
#include "engine/objectives/drawn_answers.h"
#include "engine/objectives/given_samples.h"

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

/// The rows trained on, and those to evaluate on.
struct RowsOfRun {
  const RowReader& reader;
  const UsableRows& usable;
};
std::vector<RowsOfRun> rows_of(const RunParts& run, bool evaluation) {
  std::vector<RowsOfRun> all{{run.reader, run.rows}};
  if (evaluation && run.eval_reader.dataset) all.push_back({run.eval_reader, run.eval_rows});
  return all;
}

std::string place_of(const RowsOfRun& rows, std::int64_t row) {
  return rows.reader.dataset->where(static_cast<std::size_t>(row));
}

constexpr const char* kShortenRow = "Shorten the row, or take it out.";

/// An answer of `longest` tokens to each prompt of the row.
Status check_room(const EncodedRow& row, std::int64_t longest, std::int64_t positions,
                  const std::string& setting, const std::string& where) {
  for (const Example& sequence : row.sequences) {
    const std::size_t prompt = tokens_before_answer(sequence);
    if (static_cast<std::int64_t>(prompt) + longest <= positions) continue;
    if (static_cast<std::int64_t>(prompt) >= positions)
      return input_error("The prompt has " + std::to_string(prompt) +
                             " tokens, and the model has " + std::to_string(positions) +
                             " positions.",
                         where, kShortenRow);
    return input_error("The prompt of " + where + " has " + std::to_string(prompt) +
                           " tokens and its answer may have " + std::to_string(longest) +
                           ", and the model has " + std::to_string(positions) + " positions.",
                       setting,
                       "Set it to " +
                           std::to_string(positions - static_cast<std::int64_t>(prompt)) +
                           " or less, or shorten the row.");
  }
  return {};
}

Status check_given_lengths(const EncodedRow& row, std::int64_t positions,
                           const std::string& where) {
  for (std::size_t i = 0; i < row.sequences.size(); ++i) {
    const std::size_t tokens = row.sequences[i].input_ids.size();
    if (static_cast<std::int64_t>(tokens) > positions)
      return input_error("The prompt and its sample have " + std::to_string(tokens) +
                             " tokens, and the model has " + std::to_string(positions) +
                             " positions.",
                         where + ": completion_ids[" + std::to_string(i) + "]", kShortenRow);
  }
  return {};
}

/// As many of each prompt as the settings say.
Status check_number(const EncodedRow& row, const RunParts& run, const std::string& where) {
  const std::size_t samples = row.samples.size();
  const std::int64_t wanted = run.plan.generations.samples;
  if (static_cast<std::int64_t>(samples) == wanted) return {};
  if (wanted == 1)
    return input_error("The row has " + std::to_string(samples) +
                           " samples, and one of each prompt is learned from.",
                       where + ": completion_ids", "Give each sample a row of its own.");
  return input_error("The number of samples in the row is " + std::to_string(samples) + ", and " +
                         run.recipe.objective + ".num_generations is " + std::to_string(wanted) +
                         ".",
                     where + ": completion_ids",
                     "Give each prompt as many samples, or set num_generations to them.");
}

}  // namespace

Status check_answer_lengths(const RunParts& run) {
  const std::int64_t positions = positions_of(run.base);
  const GenerationPlan& plan = run.plan.generations;
  const bool draws = plan ? !plan.given : run.objective->rolls_out();
  const auto setting = length_setting(run.recipe);
  if (positions <= 0 || !run.base.model->causal()) return {};
  if (!plan.given && (!draws || !setting)) return {};
  const std::int64_t longest = plan.given ? 0 : run.recipe.more.integer(*setting);
  // What answers without generations evaluates by the answers that rows came with.
  for (const RowsOfRun& rows : rows_of(run, /*evaluation=*/static_cast<bool>(plan))) {
    for (const std::int64_t row : rows.usable.rows) {
      const auto read = rows.reader.read(row, 0, nullptr, /*outline=*/true);
      if (!read) continue;  // said where it comes to it
      const std::string where = place_of(rows, row);
      LUTHIER_CHECK(plan.given ? check_given_lengths(*read, positions, where)
                               : check_room(*read, longest, positions, *setting, where));
    }
  }
  return {};
}

Status check_reference_lengths(const RunParts& run, const LoadedModel& reference) {
  const std::int64_t theirs = positions_of(reference), ours = positions_of(run.base);
  if (theirs <= 0 || (ours > 0 && theirs >= ours)) return {};
  const GenerationPlan& plan = run.plan.generations;
  const auto setting = length_setting(run.recipe);
  const bool draws = setting && (plan ? !plan.given : run.objective->rolls_out());
  for (const RowsOfRun& rows : rows_of(run, /*evaluation=*/true)) {
    for (const std::int64_t row : rows.usable.rows) {
      const auto read = rows.reader.read(row, 0, nullptr, /*outline=*/true);
      if (!read) continue;  // said where it comes to it
      for (const Example& sequence : read->sequences) {
        auto tokens = static_cast<std::int64_t>(sequence.input_ids.size());
        if (draws)
          tokens = static_cast<std::int64_t>(tokens_before_answer(sequence)) +
                   run.recipe.more.integer(*setting);
        if (tokens <= theirs) continue;
        return input_error(place_of(rows, row) + " may come to " + std::to_string(tokens) +
                               " tokens, and the reference has " + std::to_string(theirs) +
                               " positions.",
                           run.objective->reference_field(),
                           "Name a checkpoint of as many positions as the model, or shorten the "
                           "rows.");
      }
    }
  }
  return {};
}

Status check_given_samples(const RunParts& run) {
  if (!run.plan.generations.given) return {};
  const auto* objective = dynamic_cast<const TakesGivenSamples*>(run.objective.get());
  for (const RowsOfRun& rows : rows_of(run, /*evaluation=*/true)) {
    std::optional<EncodedRow> first;
    for (const std::int64_t row : rows.usable.rows) {
      auto read = rows.reader.read(row, 0, nullptr, /*outline=*/true);
      if (!read) continue;  // said where it comes to it
      if (!first) first = *read;
      // An evaluation may compare more or fewer.
      if (&rows.reader == &run.reader) LUTHIER_CHECK(check_number(*read, run, place_of(rows, row)));
      if (objective) LUTHIER_CHECK(objective->check_given(run.base, *read, *first));
    }
  }
  return {};
}

}  // namespace luthier
