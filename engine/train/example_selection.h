// SPDX-License-Identifier: GPL-3.0-or-later
// The rows of a dataset that tell a model most (information_gain.h), by the states from which its
// labelled tokens are predicted. Rows go through the model a few at a time, and their states into a
// file, from which they are read when they are asked for: memory holds no more than a few rows'.
#pragma once

#include <filesystem>
#include <functional>
#include <vector>

#include "engine/batches/window_source.h"
#include "engine/train/information_gain.h"

namespace luthier {

struct SelectionOptions {
  std::size_t rows = 0;  ///< to choose
  double prior = 1;      ///< of V, where a token's states have the mean length 1
  bool per_token =
      false;  ///< by gain a labelled token: else long rows are chosen before short ones
  std::filesystem::path scratch;  ///< a file to hold the states, which is removed at the end
  /// False ends it (Interrupted).
  std::function<bool(const char* what, std::size_t done, std::size_t total)> progress = {};
};

/// By whatever hangs on `model`. The examples are places among `rows`. An Input error names the row
/// that cannot be read; a Machine error the scratch file that cannot be written.
Result<ChosenExamples> select_rows(const LoadedModel& model, const RowReader& reader,
                                   const std::vector<std::int64_t>& rows,
                                   const SelectionOptions& options);

}  // namespace luthier
