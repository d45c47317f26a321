// SPDX-License-Identifier: GPL-3.0-or-later
// An answer that stands, read by every column in one forward pass each: log-probabilities of its
// tokens, and how far each column's distribution is from the reference's at every place.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/compare/answer_scores.h"
#include "engine/device/torch.h"
#include "engine/models/loaded_model.h"

namespace luthier {

/// A column's way in: calls `work` with the model and the processor of the column at that place,
/// whose adapter hangs for that time.
using ColumnDoor = std::function<Status(
    std::size_t column,
    const std::function<Status(const LoadedModel&, const ChatProcessor&)>& work)>;

/// Prompt and answer as one row.
struct ForcedRow {
  Example example;
  std::vector<TokenId> answer;
  std::int64_t first = 0;  ///< the place that predicts the answer's first token
};

/// An Input error where the row has no expected answer and none is given, or the model writes none.
Result<ForcedRow> forced_row(const LoadedModel& model, const ChatProcessor& processor,
                             const ForcedAnswer& asked);

/// log softmax of the logits at the answer's places, by what is active on the model: [answer,
/// vocabulary] float32 on the host.
Result<torch::Tensor> answer_log_probs(const LoadedModel& model, const ForcedRow& row);

struct ColumnName {
  std::string name;
  double strength = 1;
};
/// Every answer by every column, the reference column first. `go_on` is asked between forwards;
/// false: Interrupted.
Result<std::vector<ScoredAnswer>> score_forced(const std::vector<ForcedAnswer>& asked,
                                               const std::vector<ColumnName>& columns,
                                               std::size_t reference, const ColumnDoor& door,
                                               const std::function<bool()>& go_on = {});

}  // namespace luthier
