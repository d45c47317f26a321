// SPDX-License-Identifier: GPL-3.0-or-later
// What stands beside a run's rows in files of its own: pictures, films, masks, regions. A resumed
// run must find them as they were, as it must its rows.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/batches/window_source.h"

namespace luthier {

/// A digest of the files that these rows name, in the rows' order, wherever they lie; empty: they
/// name none. Of a file of more than 16 KiB its length, beginning, middle and end are looked at:
/// pictures are packed, and another one has another length or other bytes everywhere. What is not
/// there or cannot be read counts as that. `progress(done, total)` returns false to cancel
/// (Interrupted).
Result<std::string> fingerprint_media(
    const RowReader& reader, const std::vector<std::int64_t>& rows,
    const std::function<bool(std::size_t done, std::size_t total)>& progress);

}  // namespace luthier
