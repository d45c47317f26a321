// SPDX-License-Identifier: GPL-3.0-or-later
// Turns what a trainer tells into session events; shared by the headless run and the window's
// session. Also the steps that every run begins with: load by the recipe, decide gradient
// checkpointing by the forecast.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "engine/session/fixed_samples.h"
#include "engine/session/session.h"
#include "engine/train/load_options.h"
#include "engine/train/trainer.h"

namespace luthier {

/// The session's state while a run is in this phase.
SessionState state_of(TrainPhase phase);

class EventObserver : public TrainObserver {
 public:
  EventObserver(std::function<void(SessionEvent)> emit, MemoryForecast forecast)
      : emit_(std::move(emit)), forecast_(std::move(forecast)) {}

  void on_phase(TrainPhase phase, const std::string& detail) override;
  void on_progress(const std::string& what, double done, double total) override {
    emit_(Progress{0, what, done, total});
  }
  void on_start(const TrainStart& start) override;
  void on_step(const MetricsLine& line, double eta_seconds) override {
    emit_(StepDone{line, eta_seconds});
  }
  void on_evaluation(std::int64_t step, double loss) override { emit_(EvaluationDone{step, loss}); }
  void on_event(const RunEvent& event) override { emit_(RunEventHappened{event}); }
  void on_adapter(std::shared_ptr<Adapter> adapter) override { adapter_ = std::move(adapter); }
  Result<std::map<std::string, double>> score_held_out(const std::function<bool()>& go_on) override;

  Result<std::map<std::string, double>> score_probe(const std::function<bool()>& go_on) override;
  Result<std::string> answer_samples(std::int64_t step, bool first,
                                     const std::function<bool()>& go_on) override;

  std::size_t held_out_answers() const override { return held_out_answers_; }

  /// From here on every evaluation answers so many of the recipe's held-out rows, too; 0: as many
  /// as a run that goes on was begun with.
  void answer_held_out(const LoadedModel& base, const BegunRun& run, std::size_t rows);
  /// What the run answers as it goes; behind answer_held_out, which names the model.
  void answer_fixed(FixedSamples fixed) { fixed_ = std::move(fixed); }

 private:
  std::function<void(SessionEvent)> emit_;
  MemoryForecast forecast_;
  std::shared_ptr<Adapter> adapter_;  ///< in training
  const LoadedModel* base_ = nullptr;
  std::size_t held_out_answers_ = 0;  ///< as asked for
  std::vector<Sample> held_out_;      ///< that an evaluation answers
  FixedSamples fixed_;
};

/// What a run came to, as its event.
RunEnded ended_as(const RunResult& result);

/// The forecast for a recipe, its model described and its data measured (at most `max_rows` rows of
/// it) with `processor`.
Result<MemoryForecast> forecast_run(const ChatProcessor& processor, const Recipe& recipe,
                                    std::size_t max_rows, const RankPlan& ranks = {});

/// The same at a launch, before weights are loaded: it decides about gradient checkpointing, and
/// refuses what will not fit (check_room). Rows that cannot be read are the data check's to name,
/// so a forecast that fails ends nothing: it is nullopt, and `auto` is off. Of a run that several
/// ranks train it is one's (options.ranks).
Result<std::optional<MemoryForecast>> forecast_launch(const ChatProcessor& processor,
                                                      const Recipe& recipe, std::size_t max_rows,
                                                      TrainerOptions& options);

/// The recipe's tokenizer, template and picture processor alone: what data needs of a model.
Result<std::shared_ptr<const ChatProcessor>> load_processor(const Recipe& recipe);

/// Once before tensors work: the counting allocator, and the thread count for LibTorch's pool
/// (OMP_NUM_THREADS honoured).
void use_all_cores();

}  // namespace luthier
