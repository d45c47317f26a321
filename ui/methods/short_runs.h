// SPDX-License-Identifier: GPL-3.0-or-later
// Short runs one after another, as events come in: each starts when the session is free again, and
// what it came to stays until other settings are compared. A run that fails is passed by; a run
// that a person stops ends the series.
#pragma once

#include <QObject>
#include <QTimer>
#include <vector>

#include "engine/session/method_runs.h"
#include "ui/run_series.h"

namespace luthier {

class ShortRuns : public QObject {
  Q_OBJECT

 public:
  explicit ShortRuns(Workspace& workspace, QObject* parent = nullptr);

  /// `like`: runs of another one are not comparable with these and are dropped; what was run again
  /// takes the place of what was there. `four_bits`: how the base is to stand in memory afterwards.
  void start(std::vector<PlannedRun> runs, const std::string& like, bool four_bits);
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
  void next();
  /// The base as the recipe has it, where the last run had it otherwise.
  void restore();
  void finish();
  void end_run(const std::string& state, std::optional<Error> error);
  bool mine(const std::filesystem::path& folder) const;
  ShortRun& result() { return results_[first_ + at_]; }
  RunSeries& lines() { return series_[first_ + at_]; }

  Workspace& workspace_;
  std::vector<PlannedRun> planned_;
  std::vector<ShortRun> results_;
  std::vector<RunSeries> series_;
  std::string like_;
  std::size_t at_ = 0, first_ = 0;  ///< of planned_; of results_, where this series begins
  bool going_ = false, launched_ = false, stopping_ = false, four_bits_ = false;
  enum class Restore { No, Asked, Loading } restore_ = Restore::No;
  QTimer pause_;  ///< between runs: the session says that it is free a moment before it is
};

}  // namespace luthier
