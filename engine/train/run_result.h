// SPDX-License-Identifier: GPL-3.0-or-later
// How a run ended. No LibTorch.
#pragma once

#include <cstdint>
#include <filesystem>

#include "engine/runs/run_records.h"

namespace luthier {

struct RunResult {
  std::filesystem::path folder;
  RunState state = RunState::Finished;      ///< Finished or Stopped
  std::int64_t step = 0;
  double loss = 0;                          ///< of the last logged step
  double seconds = 0;
};

}  // namespace luthier
