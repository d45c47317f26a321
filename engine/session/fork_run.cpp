// SPDX-License-Identifier: GPL-3.0-or-later
// Written under a temporary name beside its place and renamed: a fork that was cut short leaves no
// run behind that would start from nothing.
#include "engine/session/fork_run.h"

#include <unistd.h>

#include <algorithm>

#include "engine/data/rollout_log.h"
#include "engine/data/sample_log.h"
#include "engine/io/files.h"
#include "engine/io/named_place.h"
#include "engine/io/probe.h"
#include "engine/io/system_error.h"
#include "engine/methods/method.h"
#include "engine/optim/schedule.h"
#include "engine/runs/run_edits.h"
#include "engine/runs/run_parent.h"
#include "engine/runs/stage_folder.h"
#include "engine/train/checkpoint.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

/// What shapes the weights that a checkpoint holds, or says what they are.
bool shapes_weights(const std::string& key) {
  return key == "strategy" || key == "objective" || key == "init" || key == "training.dtype" ||
         key.starts_with("freeze.") || (key.starts_with("adapter.") && key != "adapter.init_from");
}

/// How columns become rows: of the training data and of the evaluation data.
bool maps_columns(const std::string& key) { return key.starts_with("dataset_"); }

/// What the rows are that a step is made of.
bool shapes_rows(const std::string& key) {
  return key == "dataset" || maps_columns(key) || key == "image_folder" ||
         key.starts_with("image.") || key.starts_with("film.") || key.starts_with("replay.") ||
         key == "training.max_length" || key == "training.loss_on";
}

struct ForkChanges {
  bool rows = false, data = false, eval_data = false, samples = false, probe = false,
       best = false;              ///< by what the best checkpoint is known
  std::vector<std::string> live;  ///< settings that may have been changed by hand, too
};

Result<ForkChanges> check_changes(const Recipe& before, const ForkOrder& order) {
  ForkChanges changes;
  const std::string where = order.parent.string();
  for (const FieldDifference& each : recipe_differences(before, order.recipe)) {
    const std::string was = each.key + " was " + each.left + " and is now " + each.right;
    if (shapes_weights(each.key))
      return input_error("A fork keeps what its weights are: " + was + ".", where,
                         "Leave it, or start a new run that names the checkpoint's adapter in "
                         "adapter.init_from.");
    if (order.carry_optimizer && each.key == "training.optim")
      return input_error("Another optimizer does not read this one's state: " + was + ".", where,
                         "Fork with a fresh optimizer, or leave it.");
    changes.rows = changes.rows || shapes_rows(each.key);
    for (const std::string& name : live_settings())
      if (each.key == "training." + name) changes.live.push_back(name);
    changes.samples = changes.samples || each.key.starts_with("samples.");
    changes.probe = changes.probe || each.key.starts_with("forgetting.");
    changes.best = changes.best || each.key == "training.metric_for_best_model" ||
                   each.key == "training.greater_is_better" || each.key.starts_with("forgetting.");
    const bool maps = maps_columns(each.key);
    changes.data = changes.data || maps || each.key == "dataset" || each.key == "replay.dataset";
    changes.eval_data = changes.eval_data || maps || each.key == "eval_dataset";
  }
  return changes;
}

Result<Checkpoint> checkpoint_of(const RunFolder& parent, std::optional<std::int64_t> step) {
  std::optional<Checkpoint> found;
  if (!step) {
    found = parent.newest_whole_checkpoint();
    if (found) return *found;
    return input_error("This run has no checkpoint to fork from.", parent.path().string(),
                       "Fork another run, or use its settings for a new one.");
  }
  std::string there;
  for (const Checkpoint& each : parent.checkpoints()) {
    if (each.step == *step) found = each;
    there += (there.empty() ? "" : ", ") + std::to_string(each.step);
  }
  if (!found)
    return input_error("This run has no checkpoint of step " + std::to_string(*step) + ".",
                       parent.path().string(),
                       there.empty() ? "It has none." : "It has those of steps " + there + ".");
  LUTHIER_CHECK(verify_folder(found->path));
  return *found;
}

Status copy_tree(const fs::path& from, const fs::path& to, bool fresh) {
  std::error_code problem;
  fs::create_directories(to, problem);
  if (problem) return system_error("This folder cannot be made", to, problem.value());
  for (const std::string& name : names_in(from)) {
    const bool moments = name == "optimizer.safetensors" || name == "method.safetensors";
    if (name == "manifest.json" || name.starts_with('.') || (fresh && moments)) continue;
    if (is_folder(from / name)) {
      LUTHIER_CHECK(copy_tree(from / name, to / name, fresh));
      continue;
    }
    fs::copy_file(from / name, to / name, problem);
    if (problem) return system_error("This file cannot be copied", from / name, problem.value());
  }
  return {};
}

TrainerState forked_state(const TrainerState& before, const ForkOrder& order,
                          const ForkChanges& changes) {
  TrainerState state = before;
  if (!order.carry_optimizer) {
    state = {};
    state.total_steps = before.total_steps;
  }
  for (const std::string& name : changes.live) state.edited.erase(name);  // of what it was
  if (changes.probe) state.probe.clear();
  // Of the parent's checkpoints the fork has this one alone.
  if (changes.eval_data || changes.best || state.best.step != state.step) state.best = {};
  if (changes.rows) state.skipped_rows.clear(), state.broken_rows.clear();
  state.fork = ForkStart{!order.carry_optimizer, changes.rows || !order.carry_optimizer};
  return state;
}

/// What the new run is known by until it has begun: a run that stopped at its checkpoint.
RunManifest forked_manifest(RunManifest manifest, const std::vector<MetricsLine>& lines,
                            const TrainerState& state, const ForkOrder& order,
                            const ForkChanges& changes) {
  const double share =
      manifest.step > 0 ? static_cast<double>(state.step) / static_cast<double>(manifest.step) : 0;
  manifest.seconds *= order.carry_optimizer ? std::clamp(share, 0.0, 1.0) : 0;
  manifest.state = RunState::Stopped;
  manifest.started = utc_now();
  manifest.step = state.step;
  manifest.total_steps = state.total_steps;
  manifest.error.clear();
  manifest.last_loss.reset();
  manifest.best_eval_loss = state.best_eval_loss;
  manifest.peak_memory = 0;
  manifest.model = order.recipe.model;
  if (changes.data) manifest.dataset_fingerprints.clear();
  if (changes.eval_data) manifest.eval_dataset_fingerprints.clear();
  for (const MetricsLine& line : lines) {
    if (!order.carry_optimizer || line.step > state.step) continue;
    manifest.last_loss = line.loss;
    manifest.peak_memory = std::max(manifest.peak_memory, line.memory.peak);
  }
  return manifest;
}

/// recipe.yaml says whose weights these settings begin with: read alone it would not.
std::string headed_yaml(const ForkOrder& order, std::int64_t step) {
  std::string run = order.parent.string();
  std::replace_if(
      run.begin(), run.end(), [](char letter) { return letter == '\n' || letter == '\r'; }, ' ');
  std::string yaml = "# forked_from:";
  yaml.append("\n#   run: ").append(run);
  yaml.append("\n#   step: ").append(std::to_string(step));
  yaml.append("\n#   optimizer: ").append(order.carry_optimizer ? "carried" : "fresh");
  // Started anew it would not have those weights.
  yaml.append("\n#   start: --resume\n");
  return yaml + recipe_to_yaml(order.recipe);
}

/// But for what was changed by hand from there on: that is the parent's course, and not the fork's.
Status copy_history(const RunFolder& parent, const RunFolder& to, std::int64_t step,
                    bool other_samples) {
  const fs::path& from = parent.path();
  for (const RunEvent& event : parent.read_events())
    if (event.step < step || (event.step == step && !is_live_setting(event.kind)))
      LUTHIER_CHECK(to.append_event(event));
  std::error_code problem;
  for (const char* name : {"metrics.jsonl", kRolloutsFile, kSamplesFile}) {
    if (!is_there(from / name) || (other_samples && std::string_view(name) == kSamplesFile))
      continue;
    fs::copy_file(from / name, to.path() / name, problem);
    if (problem) return system_error("This file cannot be copied", from / name, problem.value());
  }
  return to.truncate_after(step);
}

/// Removes what it was given, unless told that it stands.
struct Scaffold {
  fs::path path;
  bool stands = false;
  ~Scaffold() {
    std::error_code ignored;
    if (!stands) fs::remove_all(path, ignored);
  }
};

}  // namespace

Result<Recipe> recipe_to_fork(const fs::path& parent, const fs::path& output_dir) {
  if (is_stage_folder(parent))
    return input_error("This is a run of stages.", parent.string(), "Fork one of its stages.");
  LUTHIER_TRY(const RunFolder run, RunFolder::open(parent));
  LUTHIER_TRY(const std::string yaml, run.read_recipe_yaml());
  LUTHIER_TRY(Recipe recipe, parse_recipe(yaml, (parent / "recipe.yaml").string()));
  recipe.output_dir = output_dir.string();
  return recipe;
}

Result<RunFolder> fork_run(const ForkOrder& given) {
  ForkOrder order = given;
  std::error_code problem;
  order.parent = named_place(fs::absolute(given.parent, problem));
  order.recipe.output_dir = named_place(given.recipe.output_dir).string();
  LUTHIER_CHECK(check_recipe(order.recipe));
  LUTHIER_TRY(const Recipe before, recipe_to_fork(order.parent, order.recipe.output_dir));
  LUTHIER_TRY(const ForkChanges changes, check_changes(before, order));
  LUTHIER_TRY(const RunFolder parent, RunFolder::open(order.parent));
  LUTHIER_TRY(const Checkpoint from, checkpoint_of(parent, order.step));
  LUTHIER_TRY(const RunManifest recorded, parent.read_manifest());
  LUTHIER_TRY(const TrainerState before_state, read_trainer_state(from.path));
  const TrainerState state = forked_state(before_state, order, changes);
  const std::int64_t asked = order.recipe.training.max_steps;
  if (asked > 0 && asked <= state.step)
    return input_error("The fork begins at step " + std::to_string(state.step) +
                           ", and by its settings a run has " + std::to_string(asked) + " steps.",
                       "training.max_steps", "Ask for more steps, or fork an earlier checkpoint.");

  const fs::path place = fs::absolute(order.recipe.output_dir, problem);
  if (is_there(place))
    return input_error("There is something of this name already.", place.string(),
                       "Choose another output_dir.");
  Scaffold scaffold{place.parent_path() / ("." + place.filename().string() + "." +
                                           std::to_string(::getpid()) + ".partial")};
  fs::remove_all(scaffold.path, problem);
  {
    LUTHIER_TRY(const RunFolder run,
                RunFolder::create(scaffold.path, headed_yaml(order, from.step)));
    LUTHIER_TRY(FolderWriter writer, run.begin_checkpoint(state.step));
    LUTHIER_CHECK(copy_tree(from.path, writer.path(), !order.carry_optimizer));
    LUTHIER_CHECK(
        write_file_atomically(writer.path() / "trainer_state.json", to_json(state).dump(2) + "\n"));
    LUTHIER_CHECK(writer.commit());
    const std::vector<MetricsLine> lines = parent.read_metrics();
    if (order.carry_optimizer)
      LUTHIER_CHECK(copy_history(parent, run, state.step, changes.samples));
    const RunParent origin{order.parent, recorded.started, from.step, order.carry_optimizer};
    Json json = to_json(forked_manifest(recorded, lines, state, order, changes));
    json["forked_from"] = to_json(origin);
    LUTHIER_CHECK(
        write_file_atomically(scaffold.path / "run.json",
                              json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"));
    RunEvent event{state.step, "", "forked",
                   "from step " + std::to_string(from.step) + " of " +
                       order.parent.filename().string() +
                       (order.carry_optimizer ? "" : ", the weights alone")};
    LUTHIER_CHECK(run.append_event(event));
  }
  LUTHIER_CHECK(rename_path(scaffold.path, place));
  scaffold.stands = true;
  LUTHIER_CHECK(sync_folder(place.parent_path()));
  return RunFolder::open(place);
}

std::vector<std::string> differs_from_longer(const Recipe& recipe, std::int64_t steps_before,
                                             std::int64_t steps_after) {
  std::vector<std::string> said;
  const auto shorter = make_schedule(recipe.training, steps_before),
             longer = make_schedule(recipe.training, steps_after);
  bool same = shorter.ok() && longer.ok();
  for (std::int64_t done = 0; same && done < steps_before; ++done)
    same = shorter->factor(done) == longer->factor(done);
  if (!same)
    said.push_back("The " + recipe.training.lr_scheduler_type +
                   " schedule goes by the number of steps: the rates until step " +
                   std::to_string(steps_before) +
                   " were those of the shorter run, and from there on they are the longer one's.");
  const auto method = find_method(recipe.strategy);
  if (method && (*method)->of_modules && (*method)->of_modules->course)
    said.push_back("What " + recipe.strategy +
                   " does to the adapter as it trains went by the shorter run's number of steps.");
  if (!recipe.more.text("curriculum.by").empty() &&
      recipe.more.text("curriculum.pacing") != "sorted")
    said.emplace_back("The course from easy rows to hard ones goes by the number of steps.");
  return said;
}

Result<Extension> plan_extension(const fs::path& run, std::int64_t more,
                                 const fs::path& output_dir) {
  Extension plan;
  if (more < 1)
    return input_error("The number of further steps must be 1 or more.", run.string(),
                       "Ask for at least one step.");
  LUTHIER_TRY(plan.order.recipe, recipe_to_fork(run, output_dir));
  LUTHIER_TRY(const RunFolder folder, RunFolder::open(run));
  LUTHIER_TRY(const RunManifest manifest, folder.read_manifest());
  if (manifest.state != RunState::Finished)
    return input_error("Only a finished run can be asked for more steps.", run.string(),
                       "Resume it, or fork one of its checkpoints.");
  plan.order.parent = run;
  plan.order.step = manifest.step;
  plan.steps_before = manifest.total_steps;
  plan.steps_after = manifest.total_steps + more;
  plan.order.recipe.training.max_steps = plan.steps_after;
  plan.differences = differs_from_longer(plan.order.recipe, plan.steps_before, plan.steps_after);
  return plan;
}

}  // namespace luthier
