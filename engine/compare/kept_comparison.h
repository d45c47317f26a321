// SPDX-License-Identifier: GPL-3.0-or-later
// Comparisons that were kept: comparison.json read again, with everything that made it, and the
// folder of a run where its comparisons lie. No LibTorch.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/compare/comparison.h"

namespace luthier {

/// A comparison.json, by this program or luthier-cli. What it says of itself is hostile: a missing
/// or ill-typed field is an Input error that names it.
Result<Comparison> read_comparison(const std::filesystem::path& file);

/// The run whose result a column is; empty: it is none's.
std::filesystem::path run_of(const ComparisonColumn& column);
/// The run that a comparison is kept with: that of its first column beside the base.
std::filesystem::path run_of(const Comparison& comparison);

/// Writes it into RUN/comparisons/NAME/comparison.json, and returns the file; a number is put
/// behind a name that is taken. Pictures that stand in rows themselves are kept in it.
Result<std::filesystem::path> keep_comparison(const Comparison& comparison,
                                              const std::filesystem::path& run,
                                              const std::string& name);

struct KeptComparison {
  std::filesystem::path file;
  std::string name;  ///< "korean: 2026-11-29 19.45"
};
/// Those of a run, newest name first.
std::vector<KeptComparison> kept_comparisons(const std::filesystem::path& run);

}  // namespace luthier
