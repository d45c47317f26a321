// SPDX-License-Identifier: GPL-3.0-or-later
// The loop: steps, evaluations and what is logged of them, until something says that it is over.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/models/packing.h"
#include "engine/train/run_ending.h"

namespace luthier {

class TrainingLoop {
 public:
  TrainingLoop(RunParts& run, Interference& interference, RunEnding& ending)
      : run_(run),
        interference_(interference),
        ending_(ending),
        weights_(weight_bytes(run.base, run.trainables)) {}

  /// Tells the host and the log what begins.
  void announce();
  Result<RunResult> run();

 private:
  /// What was found after a step: the evaluation's loss and figures, and those of the probe, by
  /// their names in metrics.jsonl without "eval_".
  struct Evaluated {
    std::optional<double> loss;
    std::map<std::string, double> figures;
    bool any() const { return loss || !figures.empty(); }
    /// By their whole names.
    std::map<std::string, double> named() const;
  };
  using Clock = std::chrono::steady_clock;
  static double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  }

  Status step();
  Status keep_drawn();
  Status after_step();
  Status note_broken(const Window& window);
  Status bad_step(const Window& window, const std::vector<std::int64_t>& rows,
                  const std::string& what);
  Status log_step(const Evaluated& evaluated);
  Status evaluate(Evaluated& evaluated);
  /// Scores that the host found go into `figures`; false: it was stopped.
  Result<bool> take_scores(const Result<std::map<std::string, double>>& scores, bool probe,
                           std::map<std::string, double>& figures);
  Status begin_watch();
  Status score_probe(Evaluated& evaluated);
  Result<bool> answer_samples();
  Status judge(const Evaluated& evaluated);
  void look_for_alarms(const MetricsLine& line);
  bool never_moves() const;
  void announce_edits();
  void announce_device();
  void announce_evaluation_rows();
  std::string row_names(const std::vector<std::int64_t>& rows) const;

  RunParts& run_;
  Interference& interference_;
  RunEnding& ending_;
  const std::int64_t weights_;  ///< bytes of the base's and a companion's
  std::int64_t gradients_ = 0;  ///< bytes, of the last step
  MemoryUse measured_;          ///< of the last step
  double pace_ = 0;             ///< seconds a step
  bool eval_broken_said_ = false, new_best_ = false;
  bool unanswered_ = false;  ///< of this step, what its evaluation asks answers for
};

}  // namespace luthier
