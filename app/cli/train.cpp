// SPDX-License-Identifier: GPL-3.0-or-later
#include <sys/prctl.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <memory>
#include <variant>

#include "app/cli/recipe_place.h"
#include "app/cli/shell_word.h"
#include "app/cli/verbs.h"
#include "engine/base/log.h"
#include "engine/base/text.h"
#include "engine/config/recipe_help.h"
#include "engine/rewards/program_reward.h"
#include "engine/runs/run_edits.h"
#include "engine/runs/task_table.h"
#include "engine/session/headless.h"

namespace luthier::cli {

namespace {

std::string clock_text(double seconds) {
  const auto whole = static_cast<long long>(std::max(0.0, std::round(seconds)));
  char text[48];
  std::snprintf(text, sizeof text, "%02lld:%02lld:%02lld", whole / 3600, whole / 60 % 60,
                whole % 60);
  return text;
}

/// One line on stderr for what a person wants to see; a logged step is one line, at most five a
/// second.
class Reporter {
 public:
  void operator()(const SessionEvent& event) {
    std::visit([this](const auto& what) { show(what); }, event);
  }

 private:
  template <class Other>
  void show(const Other&) {}
  void show(const RunStarted& run) {
    total_ = run.total_steps;
    std::fprintf(
        stderr, "%s: %s of %s parameters train, %lld steps%s\n", run.folder.string().c_str(),
        grouped(run.trainable).c_str(), grouped(run.parameters).c_str(),
        static_cast<long long>(run.total_steps),
        run.first_step > 0 ? (", from step " + std::to_string(run.first_step)).c_str() : "");
    if (run.forecast.parts.total() > 0) {
      std::fprintf(stderr, "memory: %s forecast, %s available\n",
                   size_text(run.forecast.parts.total()).c_str(),
                   run.forecast.known() ? size_text(run.forecast.available).c_str() : "not known");
    }
  }
  void show(const StageBegan& stage) {
    const std::string& name = stage.names[stage.index];
    std::fprintf(stderr, "stage %zu of %zu: %s%s\n", stage.index + 1, stage.names.size(),
                 name.c_str(), start_text(stage).c_str());
  }
  static std::string start_text(const StageBegan& stage) {
    if (stage.index == 0) return {};
    const std::string& before = stage.names[stage.index - 1];
    if (stage.start == "adapter") return ", goes on from the adapter of " + before;
    if (stage.start == "merged") return ", over the merged result of " + before;
    return ", over the checkpoint of " + before;
  }
  void show(const StepDone& step) {
    const auto now = std::chrono::steady_clock::now();
    if (step.line.step != total_ && !step.line.eval_loss &&
        now - shown_ < std::chrono::milliseconds(200))
      return;
    shown_ = now;
    std::fprintf(
        stderr, "step %lld/%lld  loss %.4f%s  grad %.3f  lr %.3g  %.0f tokens/s  %s  ETA %s\n",
        static_cast<long long>(step.line.step), static_cast<long long>(total_), step.line.loss,
        step.line.eval_loss ? ("  eval " + std::to_string(*step.line.eval_loss)).c_str() : "",
        step.line.grad_norm, step.line.learning_rate, step.line.tokens_per_second,
        size_text(step.line.memory.peak).c_str(), clock_text(step.eta_seconds).c_str());
    show_figures(step.line.figures);
  }
  /// What the objective tells besides, by the names it gave.
  static void show_figures(const std::map<std::string, double>& figures) {
    std::string text;
    for (const auto& [name, value] : figures) {
      char number[32];
      std::snprintf(number, sizeof number, "%.4g", value);
      text += "  " + name + " " + number;
    }
    if (!text.empty()) std::fprintf(stderr, "  %s\n", text.c_str());
  }
  void show(const RunEventHappened& happened) {
    const std::string& kind = happened.event.kind;
    if (kind == "checkpoint" || kind == "resumed" || kind == "best" || kind == "early_stop" ||
        kind == "result" || kind == "forgetting" || is_live_setting(kind)) {
      std::fprintf(stderr, "%s: %s\n", happened.event.kind.c_str(), happened.event.detail.c_str());
    }
  }

  std::int64_t total_ = 0;
  std::chrono::steady_clock::time_point shown_{};
};

/// What a run came to, and where it stopped how to go on.
Status tell_result(const RunResult& result) {
  char loss[48] = "no loss logged";
  if (result.loss) std::snprintf(loss, sizeof loss, "loss %.4f", *result.loss);
  std::fprintf(stderr, "%s: %s at step %lld, %s, %s\n", result.folder.string().c_str(),
               run_state_name(result.state).c_str(), static_cast<long long>(result.step), loss,
               clock_text(result.seconds).c_str());
  if (result.state == RunState::Stopped) {
    const std::string saved =
        result.saved ? "saved" : "the last steps were not finite and are not saved";
    return interrupted_error("Interrupted; " + saved + ". Go on with --resume " +
                             as_shell_word(result.folder.string()) + ".");
  }
  return {};
}

Status train(const std::string& path, const std::vector<std::string>& overrides,
             const std::string& resume, const std::string& edits_file, std::int64_t wait,
             const Shards& shards) {
  Reporter reporter;
  const auto report = [&](const SessionEvent& event) { reporter(event); };
  const std::optional<std::filesystem::path> run =
      resume.empty() ? std::nullopt : std::optional<std::filesystem::path>(resume);
  LUTHIER_TRY(const auto staged, read_staged_recipe(path, overrides));
  std::vector<RunEdit> edits;
  if (!edits_file.empty()) {
    LUTHIER_TRY(edits, read_edits(edits_file));
  }
  LUTHIER_TRY(const auto place, rank_place());
  if (const auto launcher = environment_variable("LUTHIER_LAUNCHER"); launcher && place) {
    // A rank goes with its launcher; one that was told to stop already ends at once by it.
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (std::to_string(getppid()) != *launcher) return interrupted_error("The launcher is gone.");
  }
  if (shards.any() && !place)
    return input_error("One process has nobody to share with.", "--shard",
                       "Start several by luthier-cli launch, torchrun, srun or mpirun.");
  if (staged) {
    if (!edits.empty())
      return input_error("A run of stages has steps of its own in each stage.", "--edits",
                         "Train one stage as a recipe of its own.");
    LUTHIER_TRY(const RunResult result,
                place ? train_stages_rank_headless(*place, *staged, run, report, interrupted(),
                                                   wait, shards)
                      : train_stages_headless(*staged, run, report, interrupted()));
    if (place && place->rank > 0) return {};
    if (staged->task_table) {
      LUTHIER_TRY(const auto table, read_task_table(result.folder));
      if (table) std::fputs(task_table_text(*table).c_str(), stdout);
    }
    return tell_result(result);
  }
  LUTHIER_TRY(const Recipe recipe, read_recipe(path, overrides));
  if (place) {
    LUTHIER_TRY(const RunResult result, train_rank_headless(*place, recipe, run, report,
                                                            interrupted(), edits, wait, shards));
    return place->rank == 0 ? tell_result(result) : Status();
  }
  LUTHIER_TRY(const RunResult result, train_headless(recipe, run, report, interrupted(), 0, edits));
  return tell_result(result);
}

}  // namespace

Action add_train(CLI::App& app) {
  struct TrainOptions {
    std::string recipe, resume, program, edits;
    std::int64_t wait = 300;
    std::string shard = "none";
    std::vector<std::string> set;
  };
  const auto o = std::make_shared<TrainOptions>();
  app.add_option("RECIPE", o->recipe, "A recipe (YAML), also one of stages")->required();
  app.add_option(
         "--set", o->set,
         "KEY=VALUE: a setting in place of the recipe's (several times); stages.2.KEY=VALUE "
         "for one stage")
      ->allow_extra_args(false);
  app.add_option("--reward-program", o->program,
                 "A program of yours that says what answers are worth, for the reward function "
                 "\"program\" of the recipe: JSON lines on its standard streams");
  app.add_option("--resume", o->resume,
                 "A run's folder: goes on from its newest whole checkpoint (the recipe's own "
                 "output_dir may be new); of a run of stages the whole one's");
  app.add_option("--edits", o->edits,
                 "Settings to change at their steps, as by hand: the events.jsonl of a run, or "
                 "lines like {\"step\": 40, \"learning_rate\": 5e-5} (learning_rate, "
                 "max_grad_norm, logging_steps)");
  app.add_option(
         "--wait-for-ranks", o->wait,
         "Seconds until all ranks of a launcher (torchrun, srun, mpirun, luthier-cli launch) "
         "must be there")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{86'400}))
      ->capture_default_str();
  app.add_option(
         "--shard", o->shard,
         "What ranks keep a part of each instead of all of it: optimizer, its state (strategy "
         "full or freeze); base, the decoder's weights that do not train (adapters and "
         "freeze), which come layer by layer; optimizer,base, both")
      ->check(CLI::IsMember(shard_words()))
      ->capture_default_str();
  app.footer(recipe_help());
  return [o]() -> Status {
    std::signal(SIGPIPE, SIG_IGN);  // a run outlives who read its progress
    LUTHIER_TRY(const auto program, name_reward_program(o->program));  // while the run lasts
    return in_recipe_file(
        train(o->recipe, o->set, o->resume, o->edits, o->wait, shards_of(o->shard)), o->recipe);
  };
}

}  // namespace luthier::cli
