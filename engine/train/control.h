// SPDX-License-Identifier: GPL-3.0-or-later
// What a host may ask of a training run from another thread, and what the run tells its host. The
// trainer looks here between micro-batches and steps; nothing is interrupted in the middle, so a
// stop acts within one step. No LibTorch.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "engine/config/recipe.h"
#include "engine/runs/run_folder.h"

namespace luthier {

class TrainControl {
  // Everything is asked and answered under one mutex.
  template <class Change>
  void change(Change what) {
    {
      const std::lock_guard lock(mutex_);
      what();
      woken_ = true;
    }
    changed_.notify_all();
  }
  template <class Look>
  auto look(Look what) const {
    const std::lock_guard lock(mutex_);
    return what();
  }

 public:
  enum class Stop { None, Save, Discard };

  void pause() {
    change([this] { paused_ = true; });
  }
  void resume() {
    change([this] { paused_ = false; });
  }
  void stop(bool save) {
    change([&] { stop_ = save ? Stop::Save : Stop::Discard; });
  }
  void save_now() {
    change([this] { save_ = true; });
  }
  /// One of live_settings() (runs/run_edits.h), from the next step on.
  void edit(const std::string& setting, double value) {
    change([&] { edits_.emplace_back(setting, value); });
  }
  void set_learning_rate(double rate) { edit("learning_rate", rate); }
  /// Wakes a paused run so that it lets its host work (between_steps).
  void wake() {
    change([this] { woken_ = true; });
  }

  /// A token that stops the run (saved) when it is asked to: looked at, never called back, because
  /// a signal handler may ask.
  void follow(std::stop_token token) { token_ = std::move(token); }

  bool paused() const {
    return look([this] { return paused_; });
  }
  Stop stop_kind() const {
    const Stop asked = look([this] { return stop_; });
    return asked == Stop::None && token_.stop_requested() ? Stop::Save : asked;
  }
  bool take_save() {
    return look([this] { return std::exchange(save_, false); });
  }
  std::vector<std::pair<std::string, double>> take_edits() {
    return look([this] { return std::exchange(edits_, {}); });
  }
  /// Sleeps until something is asked.
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return woken_; });
    woken_ = false;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool paused_ = false, save_ = false, woken_ = false;
  Stop stop_ = Stop::None;
  std::vector<std::pair<std::string, double>> edits_;
  std::stop_token token_;
};

class Adapter;

enum class TrainPhase { Preparing, Training, Pausing, Paused, Saving, Stopping };

/// What is known when the first step begins.
struct TrainStart {
  std::filesystem::path folder;
  Recipe recipe;  ///< as it runs: init_from's settings in their places
  std::int64_t total_steps = 0, first_step = 0;
  double steps_per_epoch = 0;
  std::int64_t trainable = 0, parameters = 0;
  double learning_rate =
      0;  ///< the peak rate in force: the recipe's, or what was set by hand before
};

/// Called on the training thread.
class TrainObserver {
 public:
  virtual ~TrainObserver() = default;
  virtual void on_phase(TrainPhase, const std::string& /*detail*/) {}
  virtual void on_progress(const std::string& /*what*/, double /*done*/, double /*total*/) {}
  virtual void on_start(const TrainStart&) {}
  virtual void on_step(const MetricsLine&, double /*eta_seconds*/) {}
  virtual void on_evaluation(std::int64_t /*step*/, double /*loss*/) {}
  virtual void on_event(const RunEvent&) {}
  /// lora: the adapter in training, until an empty pointer follows.
  virtual void on_adapter(std::shared_ptr<Adapter>) {}
  /// At an evaluation, with the model free as between steps: what the host finds of held-out rows
  /// besides the loss, by name. It ends (Interrupted) where `go_on` says no.
  virtual Result<std::map<std::string, double>> score_held_out(
      const std::function<bool()>& /*go_on*/) {
    return std::map<std::string, double>();
  }
  /// The same of the probe of what the model could do before (forgetting.dataset); empty: there is
  /// none.
  virtual Result<std::map<std::string, double>> score_probe(
      const std::function<bool()>& /*go_on*/) {
    return std::map<std::string, double>();
  }
  /// The run's sample questions answered by the model as it is after `step` steps, as lines of
  /// samples.jsonl (data/sample_log.h); `first`: they say what was asked, too. Ends (Interrupted)
  /// where `go_on` says no.
  virtual Result<std::string> answer_samples(std::int64_t /*step*/, bool /*first*/,
                                             const std::function<bool()>& /*go_on*/) {
    return std::string();
  }
  /// How many of those rows the host answers, for run.json: a resume does as the run did.
  virtual std::size_t held_out_answers() const { return 0; }
  /// The model is free: the host may let it answer, and returns true if it did; the trained adapter
  /// is then put back.
  virtual bool between_steps() { return false; }
  /// False: between_steps() would find nothing to do now.
  virtual bool has_work() const { return true; }
};

}  // namespace luthier
