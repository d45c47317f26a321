// SPDX-License-Identifier: GPL-3.0-or-later
// What a run writes down while it goes: metrics, events, TensorBoard, its state. A line that the
// disk refuses is kept and written when there is room again, so that a pause for a full disk loses
// none. No LibTorch.
#pragma once

#include <chrono>
#include <deque>
#include <optional>

#include "engine/io/tensorboard.h"
#include "engine/runs/run_folder.h"

namespace luthier {

class RunLog {
 public:
  RunLog(RunFolder folder, RunManifest manifest)
      : folder_(std::move(folder)), manifest_(std::move(manifest)) {}

  RunManifest& manifest() { return manifest_; }
  const RunFolder& folder() const { return folder_; }

  void metrics(const MetricsLine& line) { lines_.push_back(line); }
  void event(const RunEvent& event) { events_.push_back(event); }
  /// Writes what waits. After an error everything that was not written still waits.
  Status flush();
  Status write_state(RunState state);

 private:
  void tensorboard(const MetricsLine& line);

  RunFolder folder_;
  RunManifest manifest_;
  std::deque<MetricsLine> lines_;
  std::deque<RunEvent> events_;
  bool torn_ = false;  ///< a write failed, perhaps in the middle of a line
  std::int64_t written_step_ = 0;
  std::optional<TensorboardWriter> board_;
  bool board_failed_ = false;
  std::chrono::steady_clock::time_point board_flushed_{};
};

}  // namespace luthier
