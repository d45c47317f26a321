// SPDX-License-Identifier: GPL-3.0-or-later
// Of comparison.html: answers under every column, and what somebody voted for blind.
#pragma once

#include <string>

#include "engine/compare/documents.h"

namespace luthier {

/// A row of the table a scored answer: each column's strip of tokens, as deep as they are unlikely.
std::string scored_html(const Comparison& comparison, const ComparisonRow& row,
                        const ComparisonWords& words);
/// One row of win rates with their intervals; empty without votes.
std::string votes_html(const Comparison& comparison, const ComparisonWords& words);

}  // namespace luthier
