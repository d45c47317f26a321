// SPDX-License-Identifier: GPL-3.0-or-later
// What comes between the steps of a run: a person who pauses it, changes a setting, wants it saved
// or asks the model something, and a disk that is full. But for the settings, none of it changes
// what the steps compute; and those are events, which a resume goes by again.
#pragma once

#include <chrono>
#include <functional>

#include "engine/train/run_parts.h"

namespace luthier {

/// Seconds spent training, over all resumes: not while paused.
class RunClock {
 public:
  explicit RunClock(std::function<double()> clock) : clock_(std::move(clock)) {}
  double now() const {
    const auto steady = std::chrono::steady_clock::now().time_since_epoch();
    return clock_ ? clock_() : std::chrono::duration<double>(steady).count();
  }
  void start(double before) { before_ = before, started_ = now(); }
  /// What went by since then does not count.
  void leave_out(double since) { before_ -= now() - since; }
  double seconds() const { return before_ + now() - started_; }

 private:
  std::function<double()> clock_;
  double before_ = 0, started_ = now();
};

class Interference {
 public:
  Interference(RunParts& run, TrainControl& control)
      : run_(run), control_(control), run_clock_(run.options.clock) {}

  bool stopping() const { return control_.stop_kind() != TrainControl::Stop::None; }
  TrainControl::Stop stop_kind() const { return control_.stop_kind(); }
  /// As a person would, saved: another rank was asked to end.
  void stop() { control_.stop(/*save=*/true); }
  RunClock& clock() { return run_clock_; }
  double seconds() const { return run_clock_.seconds(); }

  /// Lets the host answer with the model; what it changed there is put back. True if it did.
  bool serve_host();
  /// What the host finds of held-out rows, by name; put back as after its answers.
  Result<std::map<std::string, double>> score_held_out();
  /// The same of the probe.
  Result<std::map<std::string, double>> score_probe();
  /// The host's answers to the run's samples, put back as after its answers.
  Result<std::string> answer_samples(bool first);
  /// Seconds that the host has taken since the last call.
  double take_idle_seconds() { return std::exchange(idle_seconds_, 0.0); }
  /// What was asked for between two steps; `save` writes a checkpoint.
  Status between_steps(const std::function<Status()>& save);
  /// Does work that may meet a full disk. With somebody there, the run pauses with the reason and
  /// tries again when it is continued; else the error ends it.
  Status with_room(const std::function<Status()>& work);
  /// Writes what the log holds.
  Status flush();

 private:
  using Clock = std::chrono::steady_clock;
  static double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  }
  Status take_edits();
  void edit(const std::string& setting, double value);
  void put_back();

  RunParts& run_;
  TrainControl& control_;
  RunClock run_clock_;
  double idle_seconds_ = 0;
};

}  // namespace luthier
