// SPDX-License-Identifier: GPL-3.0-or-later
// Self-training (Lee 2013: pseudo labels): rows that nobody answered are answered by a model, and
// those answers are kept that it is sure of: by the mean of their tokens' log-probabilities, or by
// how many of several drawn answers agree (Wang et al. 2023: self-consistency). No LibTorch.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/compare/compare.h"
#include "engine/io/json.h"

namespace luthier {

struct PseudoLabelOptions {
  double threshold = 0.9;   ///< a label is kept from this confidence on
  std::size_t samples = 1;  ///< 1: one answer and its tokens' probability; more: agreement
  GenerationOptions decoding;
};

struct PseudoLabel {
  std::string answer;
  /// exp of the tokens' mean log-probability, or the share of the drawn answers that are this one.
  double confidence = 0;
  bool ended = false;  ///< with its end token: what was cut off is never a label
  bool kept(double threshold) const { return ended && !answer.empty() && confidence >= threshold; }
};

/// Of one sample's drawn answers the one that most of them are, of equally many the first drawn;
/// how sure it is, is their share. What was cut off counts for nothing.
PseudoLabel agreed_label(const std::vector<ComparisonAnswer>& drawn);

/// "mean_token_probability" or "agreement", as the rows say it.
const char* confidence_name(const PseudoLabelOptions& options);

/// One label a sample; an answer that stands there already is not looked at. `progress(done,
/// total)` counts answers; false ends it (Interrupted).
Result<std::vector<PseudoLabel>> pseudo_labels(
    const LoadedModel& model, const ResidentColumn& column, const std::vector<Sample>& samples,
    const PseudoLabelOptions& options,
    const std::function<bool(std::size_t, std::size_t)>& progress = {});

/// The row that training reads, for a file in `folder`; `made_by` and what this label is of stand
/// under "provenance".
Json pseudo_row(const Sample& sample, const PseudoLabel& label, const PseudoLabelOptions& options,
                const Json& made_by, const std::filesystem::path& folder);

}  // namespace luthier
