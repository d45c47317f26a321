// SPDX-License-Identifier: GPL-3.0-or-later
// How a run ended. No LibTorch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "engine/runs/run_records.h"

namespace luthier {

struct RunResult {
  std::filesystem::path folder;
  RunState state = RunState::Finished;  ///< Finished or Stopped
  std::int64_t step = 0;
  std::optional<double> loss;  ///< of the last logged step; empty: none was
  bool saved = true;           ///< Stopped: what was reached can be gone on from
  double seconds = 0;
};

}  // namespace luthier
