// SPDX-License-Identifier: GPL-3.0-or-later
// Answers by several people: of each that was given the share of those who gave it.
#pragma once

#include <string>
#include <vector>

#include "engine/data/class_options.h"

namespace luthier {

/// `scores`: an object of names (or numbers) and scores from 0 to 1 → a score for each answer. An
/// Input error names `where` and the answer.
Result<std::vector<double>> read_scores(const ClassOptions& answers, const Json& scores,
                                        const std::string& where);

}  // namespace luthier
