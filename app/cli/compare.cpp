// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>

#include "app/cli/pixels.h"
#include "app/cli/verbs.h"
#include "engine/compare/adapter_router.h"
#include "engine/compare/base_columns.h"
#include "engine/compare/compare.h"
#include "engine/compare/documents.h"
#include "engine/compare/result_folder.h"
#include "engine/compare/reward_scores.h"
#include "engine/compare/scores.h"
#include "engine/io/output_place.h"
#include "engine/models/loaded_model.h"
#include "engine/objectives/reward_model.h"
#include "engine/session/run_observer.h"

namespace luthier::cli {

namespace {

namespace fs = std::filesystem;

struct CompareOptions {
  std::string model, out, image_folder, reward, router, device = "auto", dtype = "auto";
  std::string score_answer;  ///< whose answers every column is asked about; empty: nobody's
  std::string pattern;
  std::vector<std::string> adapters, samples;
  GenerationOptions generation;
  MediaLimits pixels;
};

using Named = std::vector<std::pair<std::string, fs::path>>;

Result<Named> named_folders(const std::vector<std::string>& texts) {
  Named named;
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    if (equals == 0 || equals == std::string::npos || equals + 1 == text.size()) {
      return input_error("\"" + text + "\" is not NAME=DIR.", "--adapter",
                         "Write --adapter korean=runs/korean.");
    }
    named.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return named;
}

/// Which adapters a router has picked, and how sure it was of each on the average.
void print_routes(const Comparison& comparison, std::size_t column) {
  std::map<std::string, std::pair<std::size_t, double>> picked;
  for (const ComparisonRow& row : comparison.rows) {
    const ComparisonAnswer& answer = row.answers[column];
    if (!answer.whole()) continue;
    auto& [count, sureness] = picked[answer.by];
    ++count;
    sureness += answer.sureness;
  }
  for (const auto& [name, of] : picked) {
    char text[64];
    std::snprintf(text, sizeof text, " %zu, %.1f %% sure", of.first,
                  of.second / static_cast<double>(of.first) * 100);
    print_line("  " + name + text);
  }
}

/// "korean:  exact match 62.2 % of 45  ...": the scores of each column, and of how many answers
/// they are.
void print_scores(const Comparison& comparison) {
  for (std::size_t i = 0; i < comparison.columns.size(); ++i) {
    std::string line = comparison.columns[i].name + ":";
    const auto scores = column_scores(comparison, i);
    for (const char* key : kScoreKeys) {
      const auto score = scores.find(key);
      if (score == scores.end()) continue;
      char text[96];
      std::snprintf(text, sizeof text, "  %s %.1f %% of %zu", score_name(key).c_str(),
                    score->second.mean * 100, score->second.of);
      line += text;
    }
    for (const char* key : kNumberKeys) {
      const auto score = scores.find(key);
      if (score == scores.end()) continue;
      char text[96];
      std::snprintf(text, sizeof text, "  %s %.3f of %zu", score_name(key).c_str(),
                    score->second.mean, score->second.of);
      line += text;
    }
    print_line(line);
    if (comparison.columns[i].router) print_routes(comparison, i);
  }
}

/// What a reward model says of the answers; the base that they came from is let go of before it is
/// loaded.
Status ask_reward_model(const ResultFolder& reward, const CompareOptions& o,
                        const LoadOptions& load, Comparison& comparison) {
  LUTHIER_TRY(const std::unique_ptr<RewardModel> model,
              RewardModel::open(o.model, reward.folder, load));
  comparison.reward_model = reward.folder;
  return score_by_reward(comparison, *model,
                         [](std::size_t, std::size_t) { return !interrupted().stop_requested(); });
}

/// A comparison that was stopped: what is there is kept, unless it would take a whole one's place.
Status keep_stopped(const Comparison& comparison, const fs::path& out) {
  const std::size_t all = comparison.rows.size() * comparison.columns.size();
  const std::string so_far =
      std::to_string(comparison.answered()) + " of " + std::to_string(all) + " answers";
  std::error_code ignored;
  if (comparison.answered() == 0) {
    return interrupted_error("Interrupted before the first answer; nothing was written.");
  }
  if (fs::exists(out / "comparison.json", ignored)) {
    return interrupted_error("Interrupted after " + so_far + "; the comparison that stands in " +
                             out.string() + " was left as it is.");
  }
  LUTHIER_CHECK(write_comparison(comparison, out));
  print_scores(comparison);
  return interrupted_error("Interrupted after " + so_far + "; they are in " +
                           (out / "comparison.html").string() + ".");
}

/// Whose answers can be asked about: the base, a column, the router's, or the samples' own.
Status check_scored(const CompareOptions& o, const Named& results) {
  if (o.score_answer.empty() || o.score_answer == "expected" || o.score_answer == "base") return {};
  if (!o.router.empty() && o.score_answer == "router") return {};
  std::vector<std::string> known{"base"};
  for (const auto& [name, folder] : results) known.push_back(name);
  if (std::find(known.begin(), known.end(), o.score_answer) != known.end()) return {};
  return input_error("There is no column \"" + o.score_answer + "\" whose answers could be scored.",
                     "--score-answer", "Name a column, or \"expected\".");
}

Status compare(const CompareOptions& o) {
  LUTHIER_TRY(const Named results, named_folders(o.adapters));
  LUTHIER_CHECK(check_scored(o, results));
  LUTHIER_CHECK(check_output_folder(o.out));
  LUTHIER_CHECK(check_pattern(o.pattern));
  ResultFolder reward;
  if (!o.reward.empty()) {
    LUTHIER_TRY(reward, find_result(o.reward));
  }
  LUTHIER_TRY(const auto samples,
              read_samples({o.samples.begin(), o.samples.end()}, o.image_folder));
  use_all_cores();
  LoadOptions load;
  load.device = o.device;
  load.dtype = o.dtype;
  load.pixels = o.pixels;
  load.go_on = [](double) { return !interrupted().stop_requested(); };
  auto loaded = load_model(o.model, load);
  if (!loaded) return loaded.error();
  auto base = std::make_unique<LoadedModel>(loaded.take());
  if (interrupted().stop_requested()) return interrupted_error();
  std::size_t shown = 0;
  const auto progress = [&](std::size_t done, std::size_t total) {
    if (done >= shown + std::max<std::size_t>(1, total / 20)) {
      shown = done;
      std::fprintf(stderr, "%zu of %zu answers\n", done, total);
    }
    return !interrupted().stop_requested();
  };
  std::optional<AdapterRouter> router;
  if (!o.router.empty()) {
    LUTHIER_TRY(router, AdapterRouter::open(o.router, *base));
  }
  LUTHIER_TRY(Comparison comparison, compare_adapters(*base, results, samples, o.generation,
                                                      progress, router ? &*router : nullptr));
  LUTHIER_CHECK(score_by_pattern(comparison, o.pattern));
  add_cider(comparison);
  if (comparison.stopped) return keep_stopped(comparison, o.out);
  if (!o.score_answer.empty()) {
    const auto go_on = [] { return !interrupted().stop_requested(); };
    const Status scored = score_rows(comparison, *base, o.score_answer, go_on);
    if (!scored) {  // the answers stand all the same
      LUTHIER_CHECK(write_comparison(comparison, o.out));
      return scored;
    }
  }
  base.reset();
  if (!o.reward.empty()) {
    const Status asked = ask_reward_model(reward, o, load, comparison);
    if (!asked) {  // the answers stand all the same
      LUTHIER_CHECK(write_comparison(comparison, o.out));
      return asked;
    }
  }
  LUTHIER_CHECK(write_comparison(comparison, o.out));
  print_scores(comparison);
  print_line((fs::path(o.out) / "comparison.html").string());
  return {};
}

}  // namespace

Action add_compare(CLI::App& app) {
  const auto o = std::make_shared<CompareOptions>();
  app.add_option("MODEL", o->model, "A checkpoint folder")->required();
  app.add_option("--adapter", o->adapters,
                 "NAME=DIR: a column (several times): an adapter, a whole checkpoint, or a run")
      ->allow_extra_args(false);
  app.add_option("--samples", o->samples,
                 "Rows to answer; a trailing assistant turn is the expected answer")
      ->required()
      ->allow_extra_args(false);
  app.add_option("--router", o->router,
                 "A router (luthier-cli router fit): a column in which it picks the adapter");
  app.add_option("--reward", o->reward,
                 "A reward model (its adapter, checkpoint or run) that scores the answers");
  app.add_option(
      "--score-answer", o->score_answer,
      "\"expected\" or a column: how likely every column holds each token of that answer");
  app.add_option("--pattern", o->pattern,
                 "A regular expression (Python's); answers that match it count as right");
  app.add_option("--image-folder", o->image_folder,
                 "Where relative picture paths of the samples start (else beside their file)");
  app.add_option("--out", o->out, "The folder to write comparison.json and comparison.html into")
      ->required();
  app.add_option("--max-new-tokens", o->generation.max_new_tokens, "Tokens an answer has at most")
      ->capture_default_str();
  app.add_option("--temperature", o->generation.temperature, "0: greedy")->capture_default_str();
  app.add_option("--top-p", o->generation.top_p, "Share of the probability that is drawn from")
      ->capture_default_str();
  app.add_option("--seed", o->generation.seed, "Of the draws")->capture_default_str();
  add_pixel_options(app, o->pixels);
  app.add_option("--device", o->device, "auto, cpu, cuda or cuda:N")->capture_default_str();
  app.add_option("--dtype", o->dtype, "auto, float32 or bfloat16")->capture_default_str();
  return [o] { return compare(*o); };
}

}  // namespace luthier::cli
