// SPDX-License-Identifier: GPL-3.0-or-later
// What of a run stays: its checkpoints, its result, and the ways it ends. Nothing that is not
// finite is ever written.
#pragma once

#include <set>
#include <string>

#include "engine/train/interference.h"
#include "engine/train/run_parts.h"

namespace luthier {

class RunEnding {
 public:
  RunEnding(RunParts& run, Interference& interference) : run_(run), interference_(interference) {}

  /// When the first step begins.
  void start() {
    saved_step_ = run_.resumes() ? run_.state.step : -1;
    saved_at_ = interference_.seconds();
  }
  /// Saves this step's state unless it stands already, the last steps were bad, or a weight is not
  /// finite.
  Status checkpoint();
  /// Whether the clock asks for one.
  bool minutes_are_up() const;
  /// Only now, when a step on the newest checkpoint's weights came out finite, may older ones go.
  Status after_good_step();
  /// An error of the data in mid-run: what was learned until then is saved, so that the run can go
  /// on once the data is repaired; or, `of_ranks`, what happened to others.
  Error saved_before(Error error, bool of_ranks = false);
  /// What to do after steps that are not finite. A resume would meet them again, and takes no other
  /// settings.
  std::string way_on() const;

  Result<RunResult> finished();
  Result<RunResult> stopped();
  Error failed(Error error);
  Error out_of_memory();
  /// When the device answers no more: nothing is saved, since every tensor is on it.
  Error device_lost(const std::string& why);
  /// The model as it was lent.
  void release();

 private:
  Status save_checkpoint();
  Status save_result();
  /// The best checkpoint's weights, where they are to be the result.
  Status go_back_to_best();
  /// The newest checkpoint, and the best.
  std::set<std::int64_t> kept_steps() const;
  Status rotate_at_end() const;
  Status check_finite(const std::string& refused) const;
  Error ended_on_bad_steps() const;

  RunParts& run_;
  Interference& interference_;
  std::int64_t saved_step_ = -1;
  bool rotation_due_ = false;
  bool device_lost_ = false;
  double saved_at_ = 0;  ///< by the run's clock
};

}  // namespace luthier
