// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/session/method_runs.h"

#include <algorithm>
#include <cmath>

#include "engine/compare/result_folder.h"
#include "engine/device/device.h"
#include "engine/runs/run_folder.h"

namespace luthier {
namespace fs = std::filesystem;
namespace {

std::int64_t tensor_bytes(const fs::path& folder) {
  std::int64_t bytes = 0;
  std::error_code problem;
  for (const auto& entry : fs::directory_iterator(folder, problem)) {
    const auto size = entry.file_size(problem);
    if (!problem && entry.path().extension() == ".safetensors")
      bytes += static_cast<std::int64_t>(size);
  }
  return bytes;
}

/// Of an evaluation whose held-out rows were answered.
void take_scores(const MetricsLine& line, ShortRun& run) {
  const auto answered = line.figures.find("eval_answered");
  if (answered == line.figures.end()) return;
  run.answered = static_cast<std::int64_t>(answered->second);
  run.scores.clear();
  for (const char* name : {"exact_match", "token_f1", "chrf", "json_valid"}) {
    const auto found = line.figures.find(std::string("eval_") + name);
    if (found != line.figures.end()) run.scores[name] = found->second;
  }
}

/// The same method over the dense base.
const ShortRun* dense_of(const std::vector<ShortRun>& runs, const ShortRun& packed) {
  if (!packed.four_bits) return nullptr;
  for (const ShortRun& run : runs)
    if (run.method == packed.method && !run.four_bits) return &run;
  return nullptr;
}

}  // namespace

Result<PlannedRun> plan_short_run(const Recipe& base, const MethodChoice& choice,
                                  const std::vector<std::string>& settings, std::int64_t steps,
                                  const fs::path& root) {
  PlannedRun planned;
  planned.method = choice.method;
  LUTHIER_TRY(planned.recipe, recipe_of(base, choice, settings));
  planned.four_bits = has_four_bits(planned.recipe);
  TrainingSettings& training = planned.recipe.training;
  LUTHIER_CHECK(set_field(planned.recipe, "training.max_steps", std::to_string(steps)));
  training.logging_steps = 1;
  training.eval_steps = planned.recipe.eval_dataset.empty() ? 0 : steps;
  training.save_steps = 0;
  training.save_minutes = 0;
  planned.recipe.output_dir =
      (root / choice_name(planned.method, planned.four_bits)).lexically_normal().string();
  LUTHIER_CHECK(check_recipe(planned.recipe));
  return planned;
}

void order_runs(std::vector<PlannedRun>& runs) {
  std::stable_partition(runs.begin(), runs.end(),
                        [](const PlannedRun& run) { return !run.four_bits; });
}

std::optional<double> ShortRun::perplexity() const {
  if (!eval_loss) return std::nullopt;
  return std::exp(*eval_loss);
}

std::optional<double> ShortRun::score(const std::string& name) const {
  const auto found = scores.find(name);
  return found == scores.end() ? std::nullopt : std::optional<double>(found->second);
}

void measure(const std::vector<MetricsLine>& lines, ShortRun& run) {
  if (lines.empty()) return;
  run.steps = lines.back().step;
  run.loss = lines.back().loss;
  run.eval_loss.reset();
  run.scores.clear();
  run.answered = 0;
  run.peak_memory = 0;
  std::vector<double> seconds;
  double tokens = 0, all = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const MetricsLine& line = lines[i];
    if (line.eval_loss) run.eval_loss = line.eval_loss;
    take_scores(line, run);
    run.peak_memory = std::max(run.peak_memory, line.memory.peak);
    if (i == 0 && lines.size() > 1) continue;
    seconds.push_back(line.step_seconds);
    all += line.step_seconds;
    tokens += line.tokens_per_second * line.step_seconds;
  }
  const auto middle = seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2);
  std::nth_element(seconds.begin(), middle, seconds.end());
  run.step_seconds = *middle;
  run.tokens_per_second = all > 0 ? tokens / all : 0;
}

ShortRun read_short_run(const PlannedRun& planned) {
  ShortRun run;
  run.method = planned.method;
  run.four_bits = planned.four_bits;
  const fs::path path = planned.recipe.output_dir;
  const auto folder = RunFolder::open(path);
  if (!folder) return run;
  measure(folder->read_metrics(), run);
  if (const auto summary = summarize_run(path)) {
    run.state = run_state_name(summary->manifest.state);
    if (!summary->manifest.error.empty())
      run.error = input_error(summary->manifest.error, path.string());
  }
  if (const auto result = find_result(path)) run.file = tensor_bytes(result->folder);
  return run;
}

std::optional<double> lost_by_packing(const std::vector<ShortRun>& runs, const ShortRun& packed) {
  const ShortRun* dense = dense_of(runs, packed);
  if (!dense || !dense->eval_loss || !packed.eval_loss) return std::nullopt;
  return *packed.eval_loss - *dense->eval_loss;
}

std::optional<double> exact_lost_by_packing(const std::vector<ShortRun>& runs,
                                            const ShortRun& packed) {
  const ShortRun* dense = dense_of(runs, packed);
  const auto exact = packed.score("exact_match");
  if (!dense || !dense->score("exact_match") || !exact || dense->answered != packed.answered)
    return std::nullopt;
  return *dense->score("exact_match") - *exact;
}

Json to_json(const std::vector<ShortRun>& runs) {
  const auto number = [](const std::optional<double>& value) {
    return value && std::isfinite(*value) ? Json(*value) : Json(nullptr);
  };
  Json all = Json::array();
  for (const ShortRun& run : runs) {
    Json json{{"method", run.method}, {"load_in_4bit", run.four_bits}, {"state", run.state}};
    if (run.error) json["error"] = run.error->sentence();
    json["steps"] = run.steps;
    json["step_seconds"] = run.step_seconds;
    json["tokens_per_second"] = run.tokens_per_second;
    json["loss"] = number(run.loss);
    json["eval_loss"] = number(run.eval_loss);
    json["perplexity"] = number(run.perplexity());
    json["lost_by_packing"] = number(lost_by_packing(runs, run));
    json["scores"] = run.scores;
    json["answered"] = run.answered;
    json["exact_lost_by_packing"] = number(exact_lost_by_packing(runs, run));
    json["peak_memory"] = run.peak_memory;
    json["file"] = run.file;
    all.push_back(std::move(json));
  }
  return all;
}

Result<std::string> compute_type(const Recipe& recipe) {
  LUTHIER_TRY(const torch::Device device, choose_device(recipe.training.device));
  LUTHIER_TRY(const torch::ScalarType dtype, choose_dtype(recipe.training.dtype, device));
  return std::string(dtype == torch::kBFloat16 ? "bfloat16" : "float32");
}

}  // namespace luthier
