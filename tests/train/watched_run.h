// SPDX-License-Identifier: GPL-3.0-or-later
// A run as the trainer's tests want it: watched, interfered with at a step, and its outcome kept.
#pragma once

#include <algorithm>
#include <functional>
#include <limits>

#include "engine/methods/adapter.h"
#include "engine/train/trainer.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

#include "tests/train/tiny_run.h"

namespace luthier::test {

/// Does something at a step's log line or between steps, and keeps what it was told.
class Watcher : public TrainObserver {
 public:
  std::function<void(std::int64_t)> at_step;
  std::function<void()> between;
  std::function<void(TrainPhase)> at_phase;
  std::vector<RunEvent> events;
  std::vector<MetricsLine> lines;
  std::shared_ptr<Adapter> adapter;

  void on_step(const MetricsLine& line, double) override {
    lines.push_back(line);
    if (at_step) at_step(line.step);
  }
  void on_event(const RunEvent& event) override { events.push_back(event); }
  void on_phase(TrainPhase phase, const std::string&) override {
    if (at_phase) at_phase(phase);
  }
  void on_adapter(std::shared_ptr<Adapter> given) override {
    if (given) adapter = std::move(given);
  }
  bool between_steps() override {
    if (between) between();
    return false;
  }
  int count(const std::string& kind) const {
    return static_cast<int>(std::count_if(
        events.begin(), events.end(), [&](const RunEvent& event) { return event.kind == kind; }));
  }
  bool told(const std::string& kind, const std::string& part) const {
    return std::any_of(events.begin(), events.end(), [&](const RunEvent& event) {
      return event.kind == kind && event.detail.find(part) != std::string::npos;
    });
  }
};

inline Result<LoadedModel> load(const Recipe& recipe) {
  LoadOptions options;
  options.device = "cpu";
  options.dtype = recipe.training.dtype;
  options.random_weights = recipe.init == "random";
  options.seed = static_cast<std::uint64_t>(recipe.training.seed);
  return load_model(recipe.model, options);
}

struct Outcome {
  Result<RunResult> result = Error{};
  Watcher watcher;
};

inline Outcome run(const Recipe& recipe, std::optional<fs::path> resume = {},
                   const std::function<void(Watcher&, TrainControl&, LoadedModel&)>& set_up = {},
                   TrainerOptions options = {}) {
  Outcome outcome;
  auto begun = begin_run(recipe, resume);
  if (!begun) {
    outcome.result = begun.error();
    return outcome;
  }
  auto base = load(recipe);
  if (!base) {
    outcome.result = base.error();
    return outcome;
  }
  TrainControl control;
  if (set_up) set_up(outcome.watcher, control, *base);
  outcome.result = train(*base, begun.take(), options, control, outcome.watcher);
  return outcome;
}

/// The sentence of an outcome that failed; null for one that did not. (QVERIFY2 would evaluate a
/// run twice.)
inline QByteArray fault_of(const Outcome& outcome) {
  return outcome.result ? QByteArray()
                        : QByteArray::fromStdString(outcome.result.error().sentence());
}

/// From now on no answer of the model is a number.
inline void poison(LoadedModel& base) {
  const torch::NoGradGuard no_grad;
  base.model->named_parameters()["model.language_model.norm.weight"].fill_(
      std::numeric_limits<float>::quiet_NaN());
}

inline std::vector<std::int64_t> checkpoint_steps(const fs::path& folder) {
  std::vector<std::int64_t> steps;
  for (const Checkpoint& each : RunFolder::open(folder)->checkpoints()) steps.push_back(each.step);
  return steps;
}

using Steps = std::vector<std::int64_t>;

#define VERIFY_OK(...)                              \
  do {                                              \
    const QByteArray fault = fault_of(__VA_ARGS__); \
    QVERIFY2(fault.isNull(), fault.constData());    \
  } while (false)

}  // namespace luthier::test
