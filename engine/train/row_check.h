// SPDX-License-Identifier: GPL-3.0-or-later
// Which rows a run trains on. What would stop it an hour later stops it here, by the row's name, as
// far as texts and the headers of pictures tell; rows whose pictures are missing are left out where
// the recipe says skip. Pictures are decoded when they are trained on.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/batches/window_source.h"
#include "engine/data/checked_rows.h"

namespace luthier {

struct UsableRows {
  std::vector<std::int64_t> rows;  ///< from 0, ascending
  std::vector<std::int64_t> skipped;
  std::vector<std::string> warnings;  ///< findings that stop nothing
};

/// Reads every row once and decodes no picture. `progress(done, total)` returns false to cancel.
/// `key` is the recipe's ("dataset"). `watch` may be empty.
Result<UsableRows> check_rows(const RowReader& reader, const std::string& on_error,
                              const std::string& key,
                              const std::function<bool(std::size_t, std::size_t)>& progress,
                              const RowWatch& watch = {});
/// The rows of a dataset without those that a checkpoint says were skipped.
UsableRows rows_without(std::size_t total, const std::vector<std::int64_t>& skipped);

}  // namespace luthier
