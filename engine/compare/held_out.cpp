// SPDX-License-Identifier: GPL-3.0-or-later
// One column of a comparison, of which the means stay.
#include "engine/compare/held_out.h"

#include "engine/compare/box_scores.h"
#include "engine/compare/compare.h"
#include "engine/compare/scores.h"
#include "engine/data/columns.h"
#include "engine/generate/generate.h"

namespace luthier {

namespace {

/// As metrics.jsonl calls it; empty: a run does not follow it.
std::string figure_name(const std::string& key) {
  if (key == "exact") return "exact_match";
  if (key == "json") return "json_valid";
  return key == "token_f1" || key == "chrf" ? key : std::string();
}

}  // namespace

std::vector<Sample> held_out_samples(const Recipe& recipe, std::size_t count) {
  std::vector<Sample> samples;
  const auto columns = column_map(recipe);
  for (const std::string& file : recipe.eval_dataset) {
    if (samples.size() >= count) break;
    auto read = read_first_samples(file, count - samples.size(), recipe.image_folder,
                                   columns ? *columns : ColumnMap());
    if (!read) continue;
    for (Sample& sample : read->samples)
      if (sample.expected()) samples.push_back(std::move(sample));
  }
  return samples;
}

Result<std::map<std::string, double>> held_out_scores(const LoadedModel& model,
                                                      const std::shared_ptr<Adapter>& adapter,
                                                      const std::vector<Sample>& samples,
                                                      const std::function<bool()>& go_on,
                                                      std::int64_t max_new_tokens) {
  std::map<std::string, double> figures;
  if (samples.empty()) return figures;
  LUTHIER_CHECK(check_pictures(samples));
  Comparison comparison;
  comparison.model = model.folder;
  comparison.columns.emplace_back();
  comparison.columns.front().image = model.pixels;
  for (const Sample& sample : samples)
    comparison.rows.push_back({sample, std::vector<ComparisonAnswer>(1)});
  GenerationOptions options;
  options.alternatives = 0;
  options.max_new_tokens = max_new_tokens;
  const auto take = [&](std::size_t, std::size_t row, const Generated& so_far) {
    if (!so_far.finish.empty()) {
      ComparisonAnswer answer;
      answer.text = so_far.text;
      answer.finish = so_far.finish;
      put_answer(comparison, row, 0, std::move(answer));
    }
    return go_on();
  };
  try {
    LUTHIER_CHECK(answer_columns(model, {{adapter, model.processor}}, samples, {}, options, take));
  } catch (const std::exception& failure) {
    // The run has nothing to do with it: it goes on without these figures.
    return answering_failure(failure, model);
  }
  for (const auto& [key, score] : column_scores(comparison, 0)) {
    if (const std::string name = figure_name(key); !name.empty()) figures[name] = score.mean;
    if (key == kScoreKeys.front()) figures["answered"] = static_cast<double>(score.of);
  }
  return figures;
}

}  // namespace luthier
