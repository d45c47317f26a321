// SPDX-License-Identifier: GPL-3.0-or-later
// Loading, adapters and training. A run that changes the base's own weights leaves no base behind:
// the checkpoint is loaded again afterwards, so that what is resident always is what its folder
// says.
#include "engine/session/model_worker.h"

#include <chrono>

#include "engine/base/log.h"
#include "engine/base/text.h"
#include "engine/compare/comparison.h"
#include "engine/compare/result_folder.h"
#include "engine/device/device_facts.h"
#include "engine/device/failure.h"
#include "engine/device/lost_device.h"
#include "engine/device/memory.h"
#include "engine/methods/adapter_notes.h"
#include "engine/methods/method.h"
#include "engine/rewards/program_reward.h"
#include "engine/session/stage_runs.h"

namespace luthier {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kForecastRows = 4000;
constexpr const char* kReadingWeights = "Reading the weights";
double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Whether both give the same weights in the same place.
bool same_options(const LoadOptions& a, const LoadOptions& b) {
  const auto device_a = choose_device(a.device), device_b = choose_device(b.device);
  if (!device_a || !device_b || *device_a != *device_b) return false;
  const auto dtype_a = choose_dtype(a.dtype, *device_a), dtype_b = choose_dtype(b.dtype, *device_b);
  return dtype_a && dtype_b && *dtype_a == *dtype_b && !a.random_weights && !b.random_weights &&
         a.quantization == b.quantization;
}

}  // namespace

/// A run's events, with the session's state and its waiting answers.
class ModelWorker::Observer : public EventObserver {
 public:
  Observer(ModelWorker& worker, MemoryForecast forecast)
      : EventObserver(worker.host_.emit, std::move(forecast)), worker_(worker) {}
  void on_phase(TrainPhase phase, const std::string& detail) override {
    worker_.host_.set_state(state_of(phase), detail);
  }
  void on_adapter(std::shared_ptr<Adapter> adapter) override {
    EventObserver::on_adapter(adapter);
    worker_.live_ = std::move(adapter);
  }
  bool between_steps() override { return worker_.host_.run_between(); }
  bool has_work() const override { return worker_.host_.waits_between(); }

 private:
  ModelWorker& worker_;
};

Status ModelWorker::need_base() const {
  if (base_) return {};
  return input_error("No model is loaded.", "model", "Load one first.");
}

Status ModelWorker::load(const fs::path& folder, LoadOptions options, const Cancelled& cancelled) {
  host_.set_state(SessionState::Loading, folder.string());
  const auto start = std::chrono::steady_clock::now();
  auto summary = summarize_model(folder);
  if (!summary) {
    host_.set_state(resting(), "");
    return summary.error();
  }
  if (cancelled()) {  // before it began: what was there stays
    host_.set_state(resting(), "");
    return interrupted_error();
  }
  let_go();
  auto told = start;
  options.go_on = [&](double share) {
    const auto now = std::chrono::steady_clock::now();
    if (now - told > std::chrono::milliseconds(50)) {
      told = now;
      host_.emit(Progress{0, kReadingWeights, share, 1});
    }
    return !cancelled() &&
           !host_.cancellations->cancelled(0);  // a session that closes waits for no model
  };
  // Chosen once: asked again after a failure, "auto" might mean another card than was loaded on.
  const std::string asked = options.device;
  const auto device = choose_device(asked);
  if (!device) {
    host_.set_state(SessionState::Empty, "");
    return device.error();
  }
  options.device = device->str();
  auto loaded = load_model(folder, options);
  options.go_on = {}, options.device = asked;
  if (told != start) host_.emit(Progress{0, kReadingWeights, 1, 1});
  if (!loaded) {
    release_cached_memory(*device);
    host_.set_state(SessionState::Empty, "");
    return loaded.error();
  }
  base_ = std::make_unique<LoadedModel>(loaded.take());
  base_options_ = options;
  ModelLoaded event;
  event.summary = summary.take();
  event.device = base_->model->device().str();
  event.dtype = base_->model->dtype() == torch::kBFloat16 ? "bfloat16" : "float32";
  event.device_note = device_note(options.device, options.dtype).text;
  event.seconds = seconds_since(start);
  host_.emit(std::move(event));
  host_.set_state(SessionState::Ready, "");
  return {};
}

void ModelWorker::let_go() {
  if (merged_) host_.emit(MergeUndone{});
  merged_.reset();
  merged_pixels_ = {};
  for (const auto& [name, attached] : attached_) host_.emit(AdapterDropped{name});
  attached_.clear();
  if (base_) {
    const torch::Device device = base_->model->device();
    base_.reset();
    release_cached_memory(device);
  }
}

void ModelWorker::step_aside() {
  if (!base_ || !base_->model->device().is_cuda()) return;
  aside_ = {base_->folder, base_options_};
  let_go();
}

Status ModelWorker::come_back() {
  const auto aside = std::exchange(aside_, std::nullopt);
  if (aside && !base_) {
    const Status loaded = load(aside->first, aside->second, [] { return false; });
    if (!loaded && loaded.error().code != ErrorCode::Interrupted)
      log_warning(loaded.error().sentence());
  }
  host_.set_state(resting(), "");
  return {};
}

void ModelWorker::tell_loss() {
  const std::string why = lost_device();
  if (why.empty() || loss_told_) return;
  loss_told_ = true;
  host_.emit(DeviceLost{why});
}

Status ModelWorker::unload() {
  let_go();
  host_.set_state(SessionState::Empty, "");
  return {};
}

Status ModelWorker::set_pixels(const MediaLimits& pixels) {
  LUTHIER_TRY(base_->processor, processor_for(*base_, pixels));
  base_->pixels = base_options_.pixels = pixels;
  return {};
}

Status ModelWorker::load_for(const Recipe& recipe, const Cancelled& cancelled) {
  LUTHIER_CHECK(undo_merge());  // what trains is what the folder says
  const LoadOptions wanted = load_options(recipe);
  std::error_code problem;
  const bool same = base_ && fs::equivalent(base_->folder, recipe.model, problem) && !problem &&
                    same_options(base_options_, wanted);
  return same ? set_pixels(wanted.pixels) : load(recipe.model, wanted, cancelled);
}

Status ModelWorker::with_base(const Recipe& recipe, const std::function<bool()>& changes_base,
                              const Cancelled& cancelled,
                              const std::function<Result<RunResult>()>& work,
                              const fs::path& folder) {
  const auto before =
      base_ ? std::optional<std::pair<fs::path, LoadOptions>>({base_->folder, base_options_})
            : std::nullopt;
  Status status;
  const auto start = std::chrono::steady_clock::now();
  try {
    const Result<RunResult> result = work();
    RunEnded ended;  // the event tells an error, too
    if (result) {
      ended = ended_as(*result);
    } else {
      ended.folder = folder;
      tell_loss();
      const bool stopped = result.error().code == ErrorCode::Interrupted;
      ended.state = stopped ? "stopped" : "failed";
      if (!stopped) ended.error = result.error();
      ended.seconds = seconds_since(start);
    }
    host_.emit(std::move(ended));
  } catch (const std::exception& failure) {
    status = device_failure(failure, machine_error("Memory ran out.", recipe.model),
                            machine_error(first_line(failure.what()), recipe.model));
  }
  live_.reset();
  if (base_ && base_->model->device().is_cuda() && !lost_device().empty()) {
    let_go();  // nothing on it answers any more
    host_.set_state(resting(), "");
    return status;
  }
  if (base_ && changes_base()) {
    const fs::path again_from = before ? before->first : fs::path(recipe.model);
    LoadOptions options = before ? before->second : load_options(recipe);
    options.random_weights = false;
    if (!before) options.pixels = {};
    LUTHIER_CHECK(unload());
    if (before || recipe.init != "random") {
      const Status again = load(again_from, options, cancelled);
      if (!again && again.error().code != ErrorCode::Interrupted)
        log_warning(again.error().sentence());
    }
  } else if (base_) {
    // The run's pixel limits were its own; what is attached has those that it was trained under.
    const Status back = set_pixels(before ? before->second.pixels : MediaLimits());
    if (!back) log_warning(back.error().sentence());
  }
  host_.set_state(resting(), "");
  // The blocks of its steps are for others now.
  if (base_) release_cached_memory(base_->model->device());
  return status;
}

namespace {
/// Whether the recipe's run leaves a base behind that is not what its folder says.
bool changes_weights(const Recipe& recipe) {
  const auto method = find_method(recipe.strategy);
  return !method || (*method)->changes_base() || recipe.init == "random";
}
}  // namespace

Status ModelWorker::train(const Recipe& recipe, const RunStart& start, TrainControl& control,
                          const Cancelled& cancelled) {
  const auto work = [&]() -> Result<RunResult> {
    LUTHIER_TRY(const auto program, name_reward_program(start.reward_program));
    return run_training(recipe, start.resume_run, start.held_out_answers, control, cancelled);
  };
  return with_base(
      recipe, [&] { return changes_weights(recipe); }, cancelled, work,
      start.resume_run.value_or(recipe.output_dir));
}

Status ModelWorker::train_stages(const StagedRecipe& staged, const RunStart& start,
                                 TrainControl& control, const Cancelled& cancelled) {
  const Recipe& first = staged.stages.front().recipe;
  StageHost host;
  host.emit = host_.emit;
  host.stopping = [&] {
    return cancelled() || control.stop_kind() != TrainControl::Stop::None ||
           host_.cancellations->cancelled(0);
  };
  bool changed = false;
  host.let_go = [&] { let_go(); };
  host.train = [&](const StageRun& stage) {
    // Weights that a stage before has trained, or that were drawn, are no folder's.
    if (changed) let_go();
    changed = changes_weights(stage.recipe);
    return run_training(stage.recipe, stage.folder, /*held_out_answers=*/0, control, cancelled,
                        &stage);
  };
  const auto work = [&]() -> Result<RunResult> {
    host_.set_state(SessionState::Preparing, "");
    LUTHIER_TRY(const auto program, name_reward_program(start.reward_program));
    return run_stages(staged, start.resume_run, host);
  };
  // A merged checkpoint, or another stage's, is not what was resident.
  return with_base(
      first,
      [&] {
        std::error_code problem;
        return changed || !fs::equivalent(base_->folder, first.model, problem);
      },
      cancelled, work, start.resume_run.value_or(staged.output_dir));
}

Result<RunResult> ModelWorker::run_training(const Recipe& recipe,
                                            const std::optional<fs::path>& resume_run,
                                            std::size_t held_out_answers, TrainControl& control,
                                            const Cancelled& cancelled, const StageRun* stage) {
  host_.set_state(SessionState::Preparing, "");
  LUTHIER_TRY(BegunRun begun, begin_run(recipe, resume_run));
  if (const auto before = begun.ended_before()) return *before;
  if (stage) keep_stage_products(begun, *stage);
  const auto ended_early = [&] {
    return cancelled() || control.stop_kind() != TrainControl::Stop::None;
  };
  TrainerOptions options;
  options.interactive = true;
  LUTHIER_TRY(FixedSamples fixed, fixed_samples(begun.recipe));
  LUTHIER_TRY(const auto processor, load_processor(begun.recipe));
  LUTHIER_TRY(auto forecast, forecast_launch(*processor, begun.recipe, kForecastRows, options));
  LUTHIER_CHECK(load_for(begun.recipe, ended_early));
  if (stage && stage->check) LUTHIER_CHECK(stage->check(*base_));
  LUTHIER_CHECK(check_fixed_samples(*base_, fixed));
  host_.set_state(SessionState::Preparing, "");
  Observer observer(*this, std::move(forecast).value_or(MemoryForecast{}));
  observer.answer_held_out(*base_, begun, held_out_answers);
  observer.answer_fixed(std::move(fixed));
  return luthier::train(*base_, std::move(begun), options, control, observer);
}

Status ModelWorker::attach(const std::string& name, const fs::path& folder) {
  LUTHIER_CHECK(need_plain_base());  // some starts are made from the base's weights
  if (name.empty() || name == kTrainingColumn || name == kBaseColumn || attached_.contains(name)) {
    return input_error("The name \"" + name + "\" is taken.", "adapter", "Choose another one.");
  }
  LUTHIER_TRY(const ResultFolder found, find_result(folder));
  AdapterAttached event;
  event.name = name;
  event.folder = found.folder;
  event.whole = found.whole;
  if (found.whole) {
    LUTHIER_TRY(const ModelSummary summary, summarize_model(found.folder));
    event.bytes = summary.file_bytes;
    event.parameters = summary.parameters;
    event.summary = summary.model_type;
    attached_[name] = {found.folder, nullptr};
    host_.emit(std::move(event));
    return {};
  }
  LUTHIER_TRY(std::shared_ptr<Adapter> adapter, load_adapter(*base_, found.folder));
  adapter->set_training(false, 0);
  std::error_code problem;
  const auto size = fs::file_size(found.folder / "adapter_model.safetensors", problem);
  event.bytes = problem ? 0 : size;
  for (const auto& [key, tensor] : adapter->tensors()) event.parameters += tensor.numel();
  const AdapterSettings& settings = adapter->settings();
  event.summary = "r " + std::to_string(settings.r) + ", alpha " + Json(settings.lora_alpha).dump();
  event.pixels = adapter->pixels;
  if (adapter->pixels.any()) event.summary += ", " + pixels_text(adapter->pixels);
  attached_[name] = {found.folder, std::move(adapter)};
  host_.emit(std::move(event));
  return {};
}

Status ModelWorker::drop(const std::string& name) {
  if (attached_.erase(name) == 0)
    return input_error("There is no adapter \"" + name + "\".", "adapter");
  host_.emit(AdapterDropped{name});
  return {};
}

Status ModelWorker::set_strength(const std::string& name, double strength) {
  const auto found = attached_.find(name);
  if (found == attached_.end())
    return input_error("There is no adapter \"" + name + "\".", "adapter");
  if (!found->second.adapter) {
    return input_error("\"" + name + "\" is a whole checkpoint, which has no strength.", "adapter");
  }
  found->second.adapter->set_strength(strength);
  return {};
}

}  // namespace luthier
