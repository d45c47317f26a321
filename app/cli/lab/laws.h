// SPDX-License-Identifier: GPL-3.0-or-later
// What the sub-verbs of `laws` share.
#pragma once

#include <string>
#include <vector>

#include "app/cli/verbs.h"
#include "engine/lab/law_fit.h"
#include "engine/lab/law_minima.h"

namespace luthier::cli {

/// "%.4g" and the like.
std::string number_text(const char* format, double value);
/// The three fits of some points; what cannot be fitted says why.
struct ThreeFits {
  Result<LawFit> whole = input_error("");         ///< approach 3
  Result<MinimaFit> envelope = input_error("");   ///< approach 1
  Result<MinimaFit> parabolas = input_error("");  ///< approach 2
};
ThreeFits fit_three_ways(const std::vector<LossPoint>& points, const LawFitOptions& options);
void show(const ThreeFits& fits);
Json to_json(const ThreeFits& fits);
/// Options that all fits have: --draws, --level, --seed, --delta.
void add_fit_options(CLI::App& app, LawFitOptions& options);

std::function<Status()> add_laws_sweep(CLI::App& app);

}  // namespace luthier::cli
