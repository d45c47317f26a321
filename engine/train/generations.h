// SPDX-License-Identifier: GPL-3.0-or-later
// The generation that a run is in: begun by the first micro-batch that needs it, used slice by
// slice, across steps where it is longer than one, and part of a checkpoint that comes in between.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "engine/batches/window_source.h"
#include "engine/objectives/objective.h"
#include "engine/ranks/shared_work.h"

namespace luthier {

class Generations {
 public:
  /// As rows of their own (one generation, one micro-batch): what `luthier-cli loss` and an
  /// evaluation ask about.
  explicit Generations(Objective& objective) : objective_(objective) {}

  /// Of a run. `seed` is the run's.
  void set_plan(const StepPlan& plan, bool shuffles, std::uint64_t seed);
  /// From here on all ranks fill alike, with the same rows: a generation is drawn by one of them,
  /// each asks about micro-batches of its own, and gives only those of `part` their rows.
  void share(SharedWork work, WindowPart part) {
    work_ = std::move(work);
    part_ = part;
  }
  /// Gives the window's micro-batches their rows, and prepares what begins with one of them.
  /// `first_batch` counts from the run's start. An Interrupted error when `go_on` says no, on
  /// whatever rank.
  Status fill(Window& window, Policy& policy, std::int64_t first_batch,
              const std::function<bool()>& go_on);
  /// The window is learned from: what it ended in is what the next one goes on with.
  void keep();
  /// Of those that the last window began: figures for its line.
  const std::vector<std::shared_ptr<const Generation>>& begun() const { return begun_; }
  /// Rows of their own as one generation of one micro-batch.
  Result<Generation> alone(MicroBatch rows, Policy& policy, std::uint64_t seed);

  /// What the next window goes on with; null: it begins with a new one.
  const Generation* current() const { return current_.get(); }
  /// Goes on with what a checkpoint kept (read_generation) of generation `number`.
  Status restore(MicroBatch rows, Policy& policy, std::int64_t number);

 private:
  Generation make(MicroBatch rows, std::int64_t number) const;
  /// Has those drawn that bring no samples along, each by the rank whose turn it is by its number.
  Status draw(const std::vector<std::shared_ptr<Generation>>& begins, Policy& policy) const;

  Objective& objective_;
  std::optional<StepPlan> plan_;
  bool shuffles_ = false;
  std::uint64_t seed_ = 0;
  std::optional<SharedWork> work_;  ///< empty: this process is alone
  WindowPart part_;
  std::shared_ptr<const Generation> current_, latest_;
  std::vector<std::shared_ptr<const Generation>> begun_;
};

}  // namespace luthier
