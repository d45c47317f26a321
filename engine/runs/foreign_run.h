// SPDX-License-Identifier: GPL-3.0-or-later
// The curves of runs that other programs made, to lay ours over: TensorBoard's event files and the
// trainer_state.json of transformers' Trainer. They become lines as ours are; what has no place
// there is a figure under its own name.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "engine/runs/run_records.h"

namespace luthier {

struct ForeignRun {
  std::string name;                ///< the folder's that it lies in
  std::vector<MetricsLine> lines;  ///< by step; what was not logged there is not-a-number
};

/// An event file, a trainer_state.json, or a folder that holds some of them (of both kinds the
/// event files). Input errors name the file.
Result<ForeignRun> read_foreign_run(const std::filesystem::path& path);

/// The same from what is in a file, by its kind.
Result<std::vector<MetricsLine>> lines_of_tensorboard(std::string_view bytes,
                                                      const std::string& where);
Result<std::vector<MetricsLine>> lines_of_trainer_state(std::string_view text,
                                                        const std::string& where);

}  // namespace luthier
