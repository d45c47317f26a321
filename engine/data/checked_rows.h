// SPDX-License-Identifier: GPL-3.0-or-later
// A check of all rows in which somebody else looks at what was read, so that no row is parsed
// twice.
#pragma once

#include <cstddef>
#include <functional>

#include "engine/data/dataset.h"

namespace luthier {

/// Called for each row that could be read, by several threads and in no order.
using RowWatch = std::function<void(std::size_t row, const Conversation& read)>;

/// check_dataset, and `watch` is told each row as its kind has read it.
Result<DatasetReport> check_watched(
    const Dataset& dataset, const ChatProcessor& processor, const DatasetCheck& how,
    const RowWatch& watch, const std::function<bool(std::size_t, std::size_t)>& progress = {});

}  // namespace luthier
