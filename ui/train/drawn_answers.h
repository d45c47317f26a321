// SPDX-License-Identifier: GPL-3.0-or-later
// Several answers to one prompt with what they are worth, as rich text: the best first, the best
// and the worst marked by word and colour. Used wherever judged answers are shown.
#pragma once

#include <QString>
#include <set>
#include <string>
#include <vector>

#include "engine/data/rollout_log.h"

namespace luthier {

/// By their rewards, the best first; those that have none stand last.
struct RankedAnswers {
  std::vector<double> worth;       ///< one an answer; NaN: none
  std::vector<std::size_t> order;  ///< places of the answers
};
/// `judge`: whose rewards count; empty: what the answers are worth in all, by these weights.
RankedAnswers ranked_answers(const DrawnRow& row, const std::string& judge,
                             const std::vector<double>& weights);

/// `whole`: places of long answers that are shown to their end; a link, which is the place, asks
/// for the rest of any other. Null: all are.
QString answers_html(const DrawnRow& row, const RankedAnswers& ranked,
                     const std::set<std::size_t>* whole);

}  // namespace luthier
