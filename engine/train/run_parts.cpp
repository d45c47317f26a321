// SPDX-License-Identifier: GPL-3.0-or-later
// Before the first step: data, plan, what trains, the folder. A run that cannot start leaves
// nothing behind.
#include <algorithm>
#include <utility>

#include <ATen/Parallel.h>

#include "engine/base/cores.h"
#include "engine/base/log.h"
#include "engine/data/columns.h"
#include "engine/device/device_facts.h"
#include "engine/device/graph.h"
#include "engine/device/product_library.h"
#include "engine/io/named_place.h"
#include "engine/methods/method.h"
#include "engine/methods/module_selection.h"
#include "engine/models/packing.h"
#include "engine/models/score_head.h"
#include "engine/objectives/carried_tensors.h"
#include "engine/objectives/learns_drawn_head.h"
#include "engine/objectives/takes_other_rows.h"
#include "engine/optim/optimizers.h"
#include "engine/runs/cut_lines.h"
#include "engine/train/answer_lengths.h"
#include "engine/train/asked_rows.h"
#include "engine/train/companion.h"
#include "engine/train/eva_rows.h"
#include "engine/train/rollout_file.h"
#include "engine/train/run_parts.h"
#include "engine/train/same_inputs.h"
#include "engine/train/shared_run.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

Status prepare_data(RunParts& run, const std::function<bool()>& stopping) {
  LUTHIER_CHECK(run.objective->fits(run.base));
  LUTHIER_CHECK(set_score_head(run.base, run.objective->score_numbers(),
                               static_cast<std::uint64_t>(run.recipe.training.seed)));
  run.reader = run.eval_reader = row_reader(run.recipe, run.base, *run.objective);
  LUTHIER_TRY(run.reader.dataset, open_training_data(run.recipe));
  const auto progress = [&](std::size_t done, std::size_t total) {
    run.observer.on_progress("Checking rows", static_cast<double>(done),
                             static_cast<double>(total));
    return !stopping();
  };
  const auto looking = [&](std::size_t done, std::size_t total) {
    if (done % 64 == 0)
      run.observer.on_progress("Looking at what rows name", static_cast<double>(done),
                               static_cast<double>(total));
    return !stopping();
  };
  const auto watched = [](RowFiles& files) -> RowWatch {
    return [&files](std::size_t row, const Conversation& read) { files.look(row, read); };
  };
  const bool resumes = run.resumes();
  run.files.emplace(run.reader);
  if (resumes && !(run.state.fork && run.state.fork->other_rows)) {
    run.rows = rows_without(run.reader.dataset->size(), run.state.skipped_rows);
    LUTHIER_CHECK(run.files->look_at(run.rows.rows, looking));
  } else {
    LUTHIER_TRY(run.rows, check_rows(run.reader, run.recipe.image.on_error, "dataset", progress,
                                     watched(*run.files)));
    for (std::size_t i = 0; i < std::min<std::size_t>(run.rows.warnings.size(), 10); ++i)
      log_warning(run.rows.warnings[i]);
    if (run.rows.warnings.size() > 10)
      log_warning(std::to_string(run.rows.warnings.size() - 10) +
                  " more findings; `luthier-cli data check` lists all.");
    run.state.skipped_rows = run.rows.skipped;
  }
  // Given samples come in the order of their file.
  if (!run.objective->generations().given) {
    LUTHIER_TRY(run.order, make_row_order(run.recipe, run.reader, run.rows.rows, progress));
  }
  if (!run.recipe.eval_dataset.empty()) {
    LUTHIER_TRY(run.eval_reader.dataset, open_rows(run.recipe, run.recipe.eval_dataset));
    run.eval_files.emplace(run.eval_reader);
    LUTHIER_TRY(run.eval_rows, check_rows(run.eval_reader, run.recipe.image.on_error,
                                          "eval_dataset", progress, watched(*run.eval_files)));
    if (run.eval_rows.rows.empty()) {
      return input_error("There is no usable row to evaluate on.", "eval_dataset",
                         "Name a file with usable rows, or leave eval_dataset out.");
    }
  }
  return {};
}

RunManifest describe(const RunParts& run) {
  RunManifest manifest;
  if (run.begun && run.begun->recorded) manifest = *run.begun->recorded;
  if (manifest.started.empty()) manifest.started = utc_now();
  manifest.device = run.device.str();
  const std::optional<CardFacts> card = card_of(run.device);
  manifest.card = card ? card->name : "";
  manifest.products = run.device.is_cpu() ? product_library_name() : "";
  manifest.threads = run.device.is_cpu() ? at::get_num_threads() : 0;
  if (!run.resumes() && run.ranks) manifest.ranks = run.ranks->size();
  if (!run.resumes()) manifest.recorded_steps = run.runner->recorded() != nullptr;
  if (const std::size_t rows = run.observer.held_out_answers(); rows > 0)
    manifest.held_out_answers = static_cast<std::int64_t>(rows);
  manifest.dtype = dtype_name(run);
  manifest.model = run.recipe.model;
  manifest.base_name = named_place(run.base.folder).filename().string();
  manifest.strategy = run.recipe.strategy;
  manifest.objective = run.recipe.objective;
  manifest.step = run.state.step;
  manifest.total_steps = run.plan.total_steps;
  manifest.trainable_parameters = run.trainables.parameters();
  manifest.parameters = parameter_count(run.base, run.trainables);
  manifest.error.clear();
  return manifest;
}

Status prepare_folder(RunParts& run) {
  RunManifest manifest = describe(run);
  LUTHIER_TRY(manifest.model_fingerprint, fingerprint_model(run.base.folder));
  manifest.dataset_fingerprints = fingerprints_of(run.reader, run.rows, *run.files);
  manifest.eval_dataset_fingerprints.clear();
  if (run.eval_reader.dataset)
    manifest.eval_dataset_fingerprints =
        fingerprints_of(run.eval_reader, run.eval_rows, *run.eval_files);
  if (!run.resumes()) LUTHIER_CHECK(look_beside(run));
  if (run.ranks) {
    LUTHIER_CHECK(agree_on_inputs(run, manifest));
    LUTHIER_CHECK(run.ranks->join_cards(run.device));
  }
  const RunInputs inputs{run.models_beside, run.files->marks(),
                         run.eval_files ? run.eval_files->marks() : RowMarks()};
  run.files.reset();
  run.eval_files.reset();
  if (run.follows()) return {};
  if (!run.begun) {
    LUTHIER_TRY(run.begun, prepare_run(run.recipe));
  }
  const bool resumes = run.begun->kind == PreparedRun::Kind::Resume;
  run.seconds_before = resumes ? manifest.seconds : 0;
  if (resumes) run.last_loss = manifest.last_loss;
  LUTHIER_CHECK(write_run_inputs(run.begun->folder.path(), inputs));
  run.log = std::make_unique<RunLog>(run.begun->folder, std::move(manifest));
  return run.log->write_state(RunState::Running);
}

/// Only where rows come again. On a device the bound is not what happens to be free, since a resume
/// must keep what the run did.
void make_cache(RunParts& run) {
  const bool again =
      run.plan.total_steps > run.plan.steps_per_epoch || (run.order && run.order->repeats());
  if (!run.trainables.tower_fixed || !again) return;
  // A generation's rows are cut otherwise each time, and features have their batch's last bits.
  if (run.plan.generations && !run.device.is_cpu()) return;
  // A row comes to another rank in each epoch: what a resume had kept, none of them could know.
  if (run.ranks && !run.device.is_cpu()) return;
  const int sharing = run.ranks ? run.ranks->place().local_size : 1;
  const std::int64_t most = run.device.is_cpu()
                                ? most_kept_features(available_memory(torch::kCPU) / sharing)
                                : kMostKeptFeatures;
  run.cache = std::make_shared<RowCache>(
      run.options.max_cache_bytes >= 0 ? run.options.max_cache_bytes : most);
}

/// What this process reads of each window. A generation's rows are answered by one rank and learned
/// from by all; what goes through the model at once is rank 0's.
WindowPart part_read(const RunParts& run) {
  if (!run.ranks || run.plan.generations) return {};
  if (run.objective->window_rule() != WindowRule::Whole)
    return {run.ranks->rank(), run.ranks->size()};
  return run.follows() ? WindowPart::none() : WindowPart{};
}

std::unique_ptr<WindowSource> windows_from(const RunParts& run, std::int64_t step) {
  const TrainingSettings& training = run.recipe.training;
  const int busy = run.device.is_cpu() ? at::get_num_threads() : 1;
  const bool shuffles = training.shuffle && !run.plan.generations.given;
  return std::make_unique<WindowSource>(
      run.reader, run.rows.rows, run.plan, training.seed, shuffles, step, run.cache,
      run.state.broken_rows, reading_threads(usable_cores(), busy), run.order, part_read(run));
}

/// A resume has kept nothing yet. On a device a row's features have the last bits of the batch that
/// they were made in, so those that the run had kept are made again as it made them: each with its
/// batch of the first epoch, until no more are kept. On the CPU they come out the same in any batch
/// and are made when their row comes.
Status keep_again(RunParts& run, const std::function<bool()>& stopping) {
  if (!run.cache || run.device.is_cpu()) return {};
  const std::int64_t steps = std::min(run.state.step, run.plan.steps_per_epoch);
  if (steps == 0) return {};
  const std::unique_ptr<WindowSource> source = windows_from(run, 0);
  for (std::int64_t step = 0; step < steps && !run.cache->full(); ++step) {
    if (stopping()) return interrupted_error();
    run.observer.on_progress("Looking at pictures again", static_cast<double>(step),
                             static_cast<double>(steps));
    LUTHIER_TRY(Window window, source->next());
    run.runner->keep_features(window);
  }
  return {};
}

/// What the next step goes on with, where it begins within a generation.
Status go_on_with_samples(RunParts& run) {
  if (!run.plan.generations) return {};
  Generations& generations = run.runner->generations();
  generations.set_plan(run.plan, run.recipe.training.shuffle,
                       static_cast<std::uint64_t>(run.recipe.training.seed));
  if (!run.plan.goes_on(run.state.step)) return {};
  LUTHIER_TRY(MicroBatch rows,
              read_rollouts(run.begun->checkpoint->path / kRolloutsFile, run.reader));
  const std::int64_t number =
      run.plan.batches_before(run.state.step) / run.plan.generations.every();
  return generations.restore(std::move(rows), run.runner->policy(), number);
}

/// Changes by hand that are to be made (again): those that the folder of a resume tells of, also of
/// one without a checkpoint, and those that the host gives, each once.
void prepare_edits(RunParts& run) {
  std::vector<RunParts::Waiting> waiting;
  for (const RunEvent& event : run.log->folder().read_events()) {
    const auto edit = edit_of(event);
    if (edit && edit->step >= run.state.step) waiting.push_back({*edit, event});
  }
  for (const RunEdit& edit : run.options.edits) {
    const bool known = std::any_of(waiting.begin(), waiting.end(), [&](const auto& each) {
      return each.event && each.edit == edit;
    });
    if (edit.step >= run.state.step && !known) waiting.push_back({edit});
    if (edit.step >= run.plan.total_steps)
      log_warning("The run ends at step " + std::to_string(run.plan.total_steps) +
                  ", so the change of " + edit.setting + " after step " +
                  std::to_string(edit.step) + " does nothing.");
  }
  std::stable_sort(waiting.begin(), waiting.end(),
                   [](const auto& a, const auto& b) { return a.edit.step < b.edit.step; });
  run.edits.assign(waiting.begin(), waiting.end());
}

/// The head that the objective says it all by, where no list of adapter.modules_to_save names it: a
/// new one would stay as it was drawn, but for what hangs on it. Empty: it trains, or there is
/// none.
std::string standing_head(const RunParts& run) {
  const std::vector<std::string>& saved = run.recipe.adapter.modules_to_save;
  const auto* objective = dynamic_cast<const LearnsDrawnHead*>(run.objective.get());
  if (!run.trainables.adapter || !objective ||
      saved != std::vector<std::string>{objective->drawn_head()})
    return {};
  std::string head;  // of the parts at the top that hold weights the last one
  for (const auto& child : run.base.model->named_children())
    if (!child.value()->parameters().empty()) head = child.key();
  for (const auto& [name, slot] : run.base.model->named_parameters().pairs())
    if (is_saved_module(name.substr(0, name.rfind('.')), saved)) return {};
  return head;
}

/// Rows that need another beside them, of a run whose micro-batches have one: an evaluation's have
/// as many.
Status check_micro_batches(const RunParts& run) {
  const auto* objective = dynamic_cast<const TakesOtherRows*>(run.objective.get());
  if (!objective || run.recipe.training.per_device_train_batch_size > 1) return {};
  for (const auto& [reader, usable] :
       {std::pair(&run.reader, &run.rows), std::pair(&run.eval_reader, &run.eval_rows)}) {
    if (!reader->dataset) continue;
    for (const std::int64_t row : usable->rows) {
      const auto read = reader->read(row, 0, nullptr, /*outline=*/true);
      if (read) LUTHIER_CHECK(objective->check_beside_none(*read));
    }
  }
  return {};
}

}  // namespace

void RunParts::note(const std::string& kind, const std::string& detail) {
  const RunEvent event{state.step, utc_now(), kind, detail};
  log->event(event);
  observer.on_event(event);
}

Status prepare_run_parts(RunParts& run, const std::function<bool()>& stopping) {
  run.observer.on_phase(TrainPhase::Preparing, "");
  LUTHIER_TRY(run.objective, run.options.objective ? run.options.objective(run.recipe)
                                                   : make_objective(run.recipe));
  const bool resumes = run.resumes();
  if (resumes) {
    // Before what hangs on it is read: an adapter does not fit another model.
    if (run.begun->recorded) {
      RunManifest now = *run.begun->recorded;
      LUTHIER_TRY(now.model_fingerprint, fingerprint_model(run.base.folder));
      LUTHIER_CHECK(check_same_inputs(*run.begun->recorded, now));
    }
    LUTHIER_CHECK(look_beside(run));
    LUTHIER_TRY(run.state, read_trainer_state(run.begun->checkpoint->path));
    // A resume of before may have logged it and been killed then.
    if (run.state.unlogged && !run.follows())
      LUTHIER_CHECK(forget_logged_step(run.begun->folder.path(), run.state.step));
    if (!run.state.objective.is_null())
      LUTHIER_CHECK(
          run.objective->read_state(run.state.objective, run.begun->checkpoint->path.string()));
  }
  LUTHIER_CHECK(prepare_data(run, stopping));
  if (resumes && run.begun->recorded && !run.follows()) LUTHIER_CHECK(check_same_rows(run));
  LUTHIER_TRY(run.plan, plan_steps(run.order ? run.order->places()
                                             : static_cast<std::int64_t>(run.rows.rows.size()),
                                   run.recipe.training, run.objective->generations()));
  // A resume goes on with what it was begun with; a fork may have other rows or settings.
  if (!resumes || run.state.fork) {
    LUTHIER_CHECK(check_given_samples(run));
    LUTHIER_CHECK(check_answer_lengths(run));
    LUTHIER_CHECK(check_micro_batches(run));
  }
  const std::optional<ForkStart> fork = std::exchange(run.state.fork, std::nullopt);
  if (fork && run.state.step >= run.plan.total_steps) {
    return input_error("The fork begins at step " + std::to_string(run.state.step) +
                           ", and by its settings a run has " +
                           std::to_string(run.plan.total_steps) + " steps.",
                       run.begun->folder.path().string(),
                       "Fork with a higher training.max_steps or training.num_train_epochs.");
  }
  if (resumes && !fork && run.state.total_steps != run.plan.total_steps) {
    return input_error("The checkpoint belongs to a run of " +
                           std::to_string(run.state.total_steps) + " steps, this one has " +
                           std::to_string(run.plan.total_steps) + ".",
                       run.begun->checkpoint->path.string(),
                       "The data or the settings changed; start a new run in another output_dir.");
  }
  run.state.total_steps = run.plan.total_steps;
  run.best_rules = best_rules(run.recipe);
  LUTHIER_TRY(run.schedule, make_schedule(run.recipe.training, run.plan.total_steps));

  std::optional<fs::path> adapter;
  LUTHIER_TRY(const Method* method, find_method(run.recipe.strategy));
  if (resumes && method->hangs_adapter()) adapter = run.begun->checkpoint->path / "adapter";
  std::shared_ptr<Adapter> fresh;  // a resume has it in its checkpoint
  if (!resumes) {
    LUTHIER_TRY(
        fresh,
        adapter_by_rows(run.base, run.recipe, run.reader, run.rows.rows, [&](std::int64_t done) {
          run.observer.on_progress("Looking at what layers read", static_cast<double>(done), 0);
          return !stopping();
        }));
    if (fresh) run.observer.on_progress("Looking at what layers read", 1, 1);
  }
  LUTHIER_TRY(run.trainables, apply_strategy(run.base, run.recipe, adapter, fresh));
  if (const std::string head = standing_head(run); !head.empty())
    log_warning(
        "The head that tells classes apart does not train whole: where it is new, set "
        "adapter.modules_to_save to [" +
        head + "].");
  LUTHIER_CHECK(add_companion(run.trainables, run.base, run.recipe, *run.objective,
                              resumes ? run.begun->checkpoint->path : fs::path()));
  if (auto* carrier = dynamic_cast<CarriedTensors*>(run.objective.get()))
    for (auto& carried : carrier->carried_tensors(run.base)) {
      if (run.ranks)
        return input_error("The queue moves in one process alone, and ranks evaluate by their own.",
                           "image_text_pretraining.queue_size",
                           "Set it to 0, or start one process.");
      run.trainables.statistics.push_back(std::move(carried));
    }
  AdapterCourse* course = run.trainables.adapter ? run.trainables.adapter->course() : nullptr;
  if (course) LUTHIER_CHECK(course->begin(run.plan.total_steps));
  const bool fresh_optimizer = fork && fork->fresh_optimizer;
  if (fresh_optimizer) {
    LUTHIER_CHECK(read_weights(run.begun->checkpoint->path, run.trainables));
    // Masters were made of the base, and these weights are others.
    for (TrainedTensor& trained : run.trainables.tensors) trained.master.reset();
  }
  LUTHIER_CHECK(prepare_shards(run));
  run.optimizer = make_optimizer(run.trainables.tensors, run.recipe);
  if (run.shards && run.optimizer->has_averages())
    return input_error(run.recipe.training.optim +
                           " keeps averages of all weights, which ranks do "
                           "not share.",
                       "--shard", "Leave it out, or choose another training.optim.");
  run.optimizer->set_warmup(run.schedule.warmup_steps);
  // Its own from here on: kept here too, those that a checkpoint replaces would stay in memory.
  for (TrainedTensor& trained : run.trainables.tensors) trained.master.reset();
  if (resumes && !fresh_optimizer) {
    LUTHIER_CHECK(read_weights(run.begun->checkpoint->path, run.trainables));
    LUTHIER_CHECK(
        read_moments(run.begun->checkpoint->path, run.trainables, *run.optimizer, own_state(run)));
  }
  LUTHIER_CHECK(read_asked(run));
  LUTHIER_TRY(auto reference, make_reference(run.base, run.recipe, *run.objective,
                                             run.trainables.adapter != nullptr));
  if (reference && reference->model && (!resumes || fork))
    LUTHIER_CHECK(check_reference_lengths(run, *reference->model));
  const bool beforehand = run.objective->asks_reference_beforehand();
  if ((!(reference && reference->model) || beforehand) && !run.objective->rolls_out_pictures())
    make_cache(run);
  if (run.objective->reference_moves().every > 0) {
    LUTHIER_TRY(run.moving_reference, reference_tensors(*reference, run.trainables.named()));
    if (resumes) LUTHIER_CHECK(read_reference(run.begun->checkpoint->path, run.moving_reference));
  }
  run.runner = std::make_unique<StepRunner>(run.base, *run.objective, run.trainables, run.cache,
                                            std::move(reference));
  LUTHIER_CHECK(ask_about_rows(run, stopping));
  run.base.model->set_gradient_checkpointing(run.options.gradient_checkpointing);
  if (run.trainables.companion)
    run.trainables.companion->model().set_gradient_checkpointing(
        run.options.gradient_checkpointing);
  // A recording holds what trained when it was made.
  if (run.ranks) run.runner->share(run.ranks, run.shards);
  run.recordable = !run.ranks && can_record(run.base, *run.objective) &&
                   !run.trainables.gradual() &&
                   !(run.trainables.adapter && !run.trainables.adapter->can_be_recorded());
  const bool fills_up =
      resumes ? run.begun->recorded && run.begun->recorded->recorded_steps : graphs_asked_for();
  if (run.recordable && fills_up)
    run.runner->fill_up(run.recipe.training.gradient_accumulation_steps, graphs_asked_for());
  if (stopping()) return interrupted_error();
  LUTHIER_CHECK(prepare_folder(run));
  LUTHIER_CHECK(keep_asked(run));
  LUTHIER_CHECK(keep_again(run, stopping));
  LUTHIER_CHECK(go_on_with_samples(run));
  run.source = windows_from(run, run.state.step);
  if (!run.follows()) prepare_edits(run);
  AlarmRules rules;
  rules.max_grad_norm = run.setting("max_grad_norm");
  rules.loss_tells = !run.objective->generations();
  rules.memory_from_epoch = run.cache ? 1 : 0;
  run.alarms = RunAlarms(rules);
  return {};
}

}  // namespace luthier
