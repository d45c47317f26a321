// SPDX-License-Identifier: GPL-3.0-or-later
// What a reward model or a process reward model says of answers.
#include <cstdio>
#include <memory>

#include "app/cli/pixels.h"
#include "app/cli/verbs.h"
#include "engine/compare/result_folder.h"
#include "engine/compare/sample.h"
#include "engine/objectives/reward_model.h"
#include "engine/session/run_observer.h"

namespace luthier::cli {

namespace {

struct ScoreOptions {
  std::string model, reward, image_folder, device = "auto", dtype = "auto", separator = "\n";
  std::vector<std::string> samples;
  MediaLimits pixels;
  bool json = false;
};

std::string figure(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

/// One answer's: a number, or those of its steps.
Json answer_figures(const RewardModel& model, const std::vector<double>& scores) {
  return model.of_steps() ? Json(scores) : Json(scores.front());
}

std::string line_of(const std::vector<double>& scores) {
  std::string text;
  for (const double each : scores) text += (text.empty() ? "" : " ") + figure(each);
  return text;
}

/// The answers of all rows, each row's together, and their figures.
void tell(const RewardModel& model, const std::vector<Sample>& samples,
          const std::vector<std::size_t>& counts, const std::vector<std::vector<double>>& scores,
          bool json) {
  const char* key = model.of_steps() ? "steps" : "score";
  Json list = Json::array();
  double sum = 0;
  std::size_t next = 0, pairs = 0, right = 0;
  for (std::size_t row = 0; row < samples.size(); ++row) {
    const std::string place = short_place(samples[row].where);
    if (counts[row] == 2) {
      const auto &chosen = scores[next], &rejected = scores[next + 1];
      list.push_back({{"sample", place},
                      {"chosen", answer_figures(model, chosen)},
                      {"rejected", answer_figures(model, rejected)}});
      if (!json)
        print_line(place + ": chosen " + line_of(chosen) + ", rejected " + line_of(rejected));
      if (!model.of_steps()) ++pairs, right += chosen.front() > rejected.front() ? 1 : 0;
    } else {
      list.push_back({{"sample", place}, {key, answer_figures(model, scores[next])}});
      if (!json) print_line(place + ": " + line_of(scores[next]));
    }
    for (std::size_t i = 0; i < counts[row]; ++i, ++next)
      if (!model.of_steps()) sum += scores[next].front();
  }
  Json document{{"reward", model.name()}, {"kind", model.of_steps() ? "prm" : "reward"}};
  if (!model.of_steps()) document["mean_reward"] = sum / static_cast<double>(scores.size());
  if (pairs > 0) document["accuracy"] = static_cast<double>(right) / static_cast<double>(pairs);
  document["samples"] = std::move(list);
  if (json) return print_json(document);
  if (!model.of_steps()) print_line("mean: " + figure(document["mean_reward"].get<double>()));
  if (pairs > 0)
    print_line("chosen above rejected: " + std::to_string(right) + " of " + std::to_string(pairs));
}

Status score(const ScoreOptions& o) {
  if (o.separator.empty())
    return input_error("The separator is empty.", "--step-separator",
                       "Write what stands behind each step.");
  LUTHIER_TRY(const auto samples,
              read_samples({o.samples.begin(), o.samples.end()}, o.image_folder));
  std::vector<AnswerToScore> answers;
  std::vector<std::size_t> counts;
  for (const Sample& sample : samples) {
    LUTHIER_TRY(const auto own, answers_in(sample.conversation, sample.where));
    counts.push_back(own.size());
    answers.insert(answers.end(), own.begin(), own.end());
  }
  LUTHIER_TRY(const ResultFolder found, find_result(o.reward));
  use_all_cores();
  LoadOptions load;
  load.device = o.device;
  load.dtype = o.dtype;
  load.pixels = o.pixels;
  load.go_on = [](double) { return !interrupted().stop_requested(); };
  LUTHIER_TRY(const std::unique_ptr<RewardModel> model,
              RewardModel::open(o.model, found.folder, load));
  model->set_step_separator(o.separator);
  LUTHIER_TRY(const auto scores, model->score(answers, [](std::size_t, std::size_t) {
    return !interrupted().stop_requested();
  }));
  tell(*model, samples, counts, scores, o.json);
  return {};
}

}  // namespace

Action add_score(CLI::App& app) {
  const auto o = std::make_shared<ScoreOptions>();
  app.add_option("MODEL", o->model, "The checkpoint folder that the reward model's adapter is on")
      ->required();
  app.add_option("--reward", o->reward,
                 "A reward model: its adapter, a whole checkpoint, or the run that left it")
      ->required();
  app.add_option("--samples", o->samples, "Rows with a prompt and its answer, or with a pair")
      ->required()
      ->allow_extra_args(false);
  app.add_option("--image-folder", o->image_folder,
                 "Where relative picture paths of the samples start (else beside their file)");
  app.add_option("--step-separator", o->separator,
                 "What stands behind each step of an answer, for a process reward model")
      ->capture_default_str();
  add_pixel_options(app, o->pixels);
  app.add_option("--device", o->device, "auto, cpu, cuda or cuda:N")->capture_default_str();
  app.add_option("--dtype", o->dtype, "auto, float32 or bfloat16")->capture_default_str();
  app.add_flag("--json", o->json, "One JSON document on stdout");
  return [o] { return score(*o); };
}

}  // namespace luthier::cli
