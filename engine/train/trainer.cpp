// SPDX-License-Identifier: GPL-3.0-or-later
// A run from preparation to end; what LibTorch throws becomes an error here.
#include "engine/train/trainer.h"

#include "engine/base/log.h"
#include "engine/base/text.h"
#include "engine/device/lost_device.h"
#include "engine/models/score_head.h"
#include "engine/train/shared_run.h"
#include "engine/train/training_loop.h"

namespace luthier {

namespace {

Result<RunResult> prepare_and_run(RunParts& run, Interference& interference, RunEnding& ending) {
  try {
    const auto stopping = [&] { return interference.stopping(); };
    if (const Status status = prepare_run_parts(run, stopping); !status)
      return ending.failed(status.error());
    if (run.follows()) return follow(run, stopping);
    interference.clock().start(run.seconds_before);
    TrainingLoop loop(run, interference, ending);
    loop.announce();
    run.observer.on_phase(TrainPhase::Training, "");
    ending.start();
    auto result = loop.run();
    if (!result) return ending.failed(result.error());
    return result;
  } catch (const std::exception& failure) {
    // A layer's weights that did not come, for one.
    if (const auto why = run.ranks ? run.ranks->fault() : std::nullopt) return ending.failed(*why);
    if (const auto why = device_loss(failure, run.device))
      return ending.failed(ending.device_lost(*why));
    if (!is_out_of_memory(failure))
      return ending.failed(
          machine_error("Training stopped: " + first_line(failure.what()),
                        run.log ? run.log->folder().path().string() : run.recipe.model));
    if (!run.log)
      return machine_error(
          run.follows() && run.source
              ? "Memory ran out on " + run.device.str() + " in step " +
                    std::to_string(run.state.step + 1) + "."
              : "Memory ran out on " + run.device.str() + " before the first step.",
          run.recipe.model, "Use a smaller model, or lower adapter.r.");
  }
  const Error error = ending.out_of_memory();
  try {
    release_cached_memory(run.device);
    // Other ranks are in the midst of something: their part of a sharded state does not come.
    if (run.shards)
      log_warning("What other ranks keep could not be saved; the last checkpoint stands.");
    else if (const Status saved = ending.checkpoint(); !saved)
      log_warning(saved.error().sentence());
  } catch (const std::exception& failure) {
    // These are the first calls that wait for the card: what it died of before comes out here.
    if (const auto why = device_loss(failure, run.device))
      return ending.failed(ending.device_lost(*why));
    log_warning("There was not even memory for a checkpoint; the last one stands.");
  }
  return ending.failed(error);
}

}  // namespace

Result<RunResult> train(LoadedModel& base, BegunRun begun, const TrainerOptions& options,
                        TrainControl& control, TrainObserver& observer) {
  if (auto before = begun.ended_before()) return *std::move(before);
  const ScoreHeadWhile head(base);  // until the run has let go of it
  RunParts run(base, std::move(begun), options, observer);
  Interference interference(run, control);
  RunEnding ending(run, interference);
  auto result = prepare_and_run(run, interference, ending);
  const bool stay = result && options.ranks_stay;
  if (run.ranks && stay && run.ranks->leads()) {
    if (const Status said = run.ranks->order(over_order()); !said) result = said.error();
  } else if (run.ranks && !stay) {
    run.ranks->leave(result ? "" : result.error().sentence());
  }
  ending.release();
  return result;
}

}  // namespace luthier
