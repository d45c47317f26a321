// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/session/fixed_samples.h"

#include "engine/compare/compare.h"
#include "engine/config/watch_fields.h"
#include "engine/data/columns.h"
#include "engine/data/sample_log.h"
#include "engine/generate/generate.h"

namespace luthier {

Result<FixedSamples> fixed_samples(const Recipe& recipe) {
  FixedSamples fixed;
  const KindValues& values = recipe.more;
  fixed.sample_tokens = values.integer("samples.max_new_tokens");
  fixed.probe_tokens = values.integer("forgetting.max_new_tokens");
  const auto wanted = static_cast<std::size_t>(values.integer("samples.count"));
  LUTHIER_TRY(const ColumnMap columns, column_map(recipe));
  for (const std::string& file : sample_files(recipe)) {
    if (fixed.samples.size() >= wanted) break;
    LUTHIER_TRY(SamplesRead read, read_first_samples(file, wanted - fixed.samples.size(),
                                                     recipe.image_folder, columns));
    for (Sample& sample : read.samples) fixed.samples.push_back(std::move(sample));
  }
  LUTHIER_CHECK(check_pictures(fixed.samples));
  const std::string probe = values.text("forgetting.dataset");
  if (probe.empty()) return fixed;
  LUTHIER_TRY(
      SamplesRead read,
      read_first_samples(probe, static_cast<std::size_t>(values.integer("forgetting.count")),
                         recipe.image_folder, columns));
  for (Sample& sample : read.samples)
    if (sample.expected()) fixed.probe.push_back(std::move(sample));
  if (fixed.probe.empty())
    return input_error("No row of the probe says which answer is expected.", "forgetting.dataset",
                       "Name a file of questions with their answers.");
  LUTHIER_CHECK(check_pictures(fixed.probe));
  return fixed;
}

Status check_fixed_samples(const LoadedModel& model, const FixedSamples& fixed) {
  LUTHIER_CHECK(
      check_samples_fit(model, fixed.samples, fixed.sample_tokens, "samples.max_new_tokens"));
  return check_samples_fit(model, fixed.probe, fixed.probe_tokens, "forgetting.max_new_tokens");
}

Result<std::string> answered_lines(const LoadedModel& model,
                                   const std::shared_ptr<Adapter>& adapter,
                                   const FixedSamples& fixed, std::int64_t step, bool first,
                                   const std::function<bool()>& go_on) {
  if (fixed.samples.empty()) return std::string();
  GenerationOptions options;
  options.alternatives = 0;
  options.max_new_tokens = fixed.sample_tokens;
  std::vector<SampleAnswer> answers(fixed.samples.size());
  const auto take = [&](std::size_t, std::size_t index, const Generated& so_far) {
    if (!so_far.finish.empty())
      answers[index] = {static_cast<std::int64_t>(index), so_far.text,
                        static_cast<std::int64_t>(so_far.tokens.size()), so_far.finish};
    return go_on();
  };
  try {
    const Status answered =
        answer_columns(model, {{adapter, model.processor}}, fixed.samples, {}, options, take);
    if (!answered) {
      Error said = answered.error();
      if (said.where == "max_new_tokens") said.where = "samples.max_new_tokens";
      return said;
    }
  } catch (const std::exception& failure) {
    return answering_failure(failure, model);  // the run goes on without them
  }
  std::string lines;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    answers[i].sample = static_cast<std::int64_t>(i);
    lines += sample_line(step, answers[i], first ? &fixed.samples[i].conversation : nullptr);
  }
  return lines;
}

}  // namespace luthier
