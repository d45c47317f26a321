// SPDX-License-Identifier: GPL-3.0-or-later
// Where each column looked when it came to one token of an answer.
#pragma once

#include "engine/compare/picture_attention.h"
#include "engine/compare/teacher_forced.h"

namespace luthier {

/// The weights from the place that predicts the answer's `token`, by what is active on the model.
/// An Input error where the family has no such weights to show.
Result<ColumnAttention> attention_weights(const LoadedModel& model, const ForcedRow& row,
                                          std::size_t token);

/// Of every column, and the grids of the sample's pictures.
Result<TokenAttention> find_attention(const ForcedAnswer& asked, std::size_t token,
                                      const std::vector<ColumnName>& columns,
                                      const ColumnDoor& door,
                                      const std::function<bool()>& go_on = {});

}  // namespace luthier
