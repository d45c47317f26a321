// SPDX-License-Identifier: GPL-3.0-or-later
// What a sweep writes beside its runs: the language's rows in pieces, models without weights, and
// what it came to. Internal to the lab.
#pragma once

#include <functional>

#include "engine/lab/law_sweep.h"
#include "engine/lab/law_text.h"

namespace luthier {

/// Makes the folder, or finds a sweep there; an Input error names the setting in which that one
/// differs, or says that the folder is somebody else's.
Status begin_sweep_folder(const std::filesystem::path& folder, const LawSweepOptions& options);

/// Held-out rows, and their floor.
Result<double> write_sweep_eval(const std::filesystem::path& folder, std::uint64_t seed);
/// The first so many rows, in files of a thousand: runs share them, and more may come.
Status write_sweep_rows(const std::filesystem::path& folder, std::uint64_t seed, std::int64_t rows,
                        const std::function<bool()>& go_on);
std::vector<std::string> sweep_rows(const std::filesystem::path& folder, std::int64_t rows);
Status write_sweep_model(const std::filesystem::path& folder, const SweepSize& size,
                         std::uint64_t seed);

/// sweep.json and points.csv.
Status write_sweep(const std::filesystem::path& folder, const LawSweep& sweep,
                   const LawSweepOptions& options);

}  // namespace luthier
