// SPDX-License-Identifier: GPL-3.0-or-later
// Short runs in the window's queue, as events come in: what each came to stays until other settings
// are compared. A run that fails is passed by; a run that a person stops ends the series.
#pragma once

#include <QObject>
#include <QTimer>
#include <optional>
#include <vector>

#include "engine/session/method_runs.h"
#include "ui/run_series.h"

namespace luthier {

class RunQueue;

class ShortRuns : public QObject {
  Q_OBJECT

 public:
  explicit ShortRuns(Workspace& workspace, QObject* parent = nullptr);

  /// `like`: runs of another one are not comparable with these and are dropped; what was run again
  /// takes the place of what was there. `four_bits`: how the base is to stand in memory afterwards.
  Status start(std::vector<PlannedRun> runs, const std::string& like, bool four_bits);
  /// Ends the run that trains, unsaved, and the series.
  void stop();
  bool going() const { return going_; }
  /// "2 of 5".
  std::size_t place() const { return at_ + 1; }
  std::size_t count() const { return planned_.size(); }

  /// Those that were run before first.
  const std::vector<ShortRun>& results() const { return results_; }
  /// One for each result.
  const std::vector<RunSeries>& series() const { return series_; }
  /// Names follow the language.
  void retranslate();

 signals:
  void changed();
  void ended();

 private:
  void drop_results(const std::vector<PlannedRun>& run_again);
  /// Of this series, the one that the session is at.
  std::optional<std::size_t> running() const;
  void end_run(std::size_t place);
  void end_series();
  /// The base as the recipe has it, where the last run had it otherwise; as soon as it is free.
  void restore();
  void finish();
  ShortRun& result(std::size_t place) { return results_[first_ + place]; }
  RunSeries& lines(std::size_t place) { return series_[first_ + place]; }

  Workspace& workspace_;
  RunQueue& queue_;
  std::vector<PlannedRun> planned_;
  std::vector<std::uint64_t> ids_;  ///< in the queue, one for each planned run
  std::vector<ShortRun> results_;
  std::vector<RunSeries> series_;
  std::vector<MetricsLine> stepped_;  ///< of the run that trains
  std::string like_;
  std::size_t at_ = 0, first_ = 0;  ///< ended of planned_; of results_, where this series begins
  bool going_ = false, stopping_ = false, four_bits_ = false;
  enum class Restore { No, Waits, Asked, Loading } restore_ = Restore::No;
  QTimer look_;  ///< while the base waits for its turn
};

}  // namespace luthier
