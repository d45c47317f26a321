// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/compare/attention_weights.h"

#include <cstring>

#include "engine/compare/picture_grids.h"
#include "engine/nn/attention_watch.h"

namespace luthier {

Result<ColumnAttention> attention_weights(const LoadedModel& model, const ForcedRow& row,
                                          std::size_t token) {
  const std::string type(model.family->model_type);
  Causal* causal = model.model->causal();
  if (!causal)
    return input_error("A model of type " + type +
                           " writes one text while it looks across to "
                           "another; its attention is not shown.",
                       model.folder.string(), "Models that read and write one text have it.");
  if (token >= row.answer.size())
    return input_error("The answer has " + std::to_string(row.answer.size()) + " tokens.", "token",
                       "Choose one of them, from 0.");
  const c10::InferenceMode inference;
  const ModelInput input = for_model(*model.model, collate({row.example}));
  const TokenSequence sequence = causal->embed(input);
  const std::int64_t query = row.first + static_cast<std::int64_t>(token);
  AttentionWatch watch(query);
  causal->decode(sequence, nullptr);
  const auto& seen = watch.weights();
  if (seen.empty())
    return input_error("A model of type " + type + " has no layer of plain attention.",
                       model.folder.string());
  const auto keys = static_cast<std::int64_t>(row.example.input_ids.size());
  ColumnAttention found;
  found.layers = static_cast<std::int64_t>(seen.size());
  found.heads = seen.front().size(0);
  found.keys = keys;
  found.weights.resize(static_cast<std::size_t>(found.layers * found.heads * keys));
  for (std::size_t layer = 0; layer < seen.size(); ++layer) {
    const torch::Tensor& weights = seen[layer];
    if (weights.size(0) != found.heads || weights.size(1) != keys)  // or tokens stand before it
      return input_error("The layers of a model of type " + type +
                             " attend in different ways; their weights are not shown together.",
                         model.folder.string());
    const auto count = static_cast<std::size_t>(weights.numel());
    std::memcpy(found.weights.data() + layer * count, weights.const_data_ptr<float>(),
                count * sizeof(float));
  }
  return found;
}

Result<TokenAttention> find_attention(const ForcedAnswer& asked, std::size_t token,
                                      const std::vector<ColumnName>& columns,
                                      const ColumnDoor& door, const std::function<bool()>& go_on) {
  TokenAttention result;
  result.token = token;
  for (std::size_t column = 0; column < columns.size(); ++column) {
    if (go_on && !go_on()) return interrupted_error();
    const auto work = [&](const LoadedModel& model, const ChatProcessor& processor) -> Status {
      LUTHIER_TRY(const ForcedRow row, forced_row(model, processor, asked));
      LUTHIER_TRY(ColumnAttention own, attention_weights(model, row, token));
      own.name = columns[column].name;
      if (result.columns.empty()) {
        result.query = row.first + static_cast<std::int64_t>(token);
        const auto grids = picture_grids(model, processor, row.example, asked.sample);
        if (grids)
          result.grids = *grids;
        else
          result.no_grid = grids.error().what;
      } else if (own.keys != result.columns.front().keys) {
        return input_error("The column \"" + own.name +
                               "\" sees the pictures in another size; what it attends to cannot "
                               "be held beside the others.",
                           asked.sample.where, "Compare columns of equal pixel limits.");
      }
      result.columns.push_back(std::move(own));
      return {};
    };
    LUTHIER_CHECK(door(column, work));
  }
  return result;
}

}  // namespace luthier
