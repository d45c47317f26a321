// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/bert/text_embeddings.h"

#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

std::int64_t longest_row(const TextTables& tables) {
  return tables.positions - (tables.behind_padding ? tables.padding + 1 : 0);
}

TextEmbeddings::TextEmbeddings(const TextTables& tables, const torch::TensorOptions& t)
    : tables_(tables) {
  words = register_module("word_embeddings", Embedding(tables.words, tables.width, t));
  words->padding = tables.padding;
  if (tables.positions > 0) {
    positions_ =
        register_module("position_embeddings", Embedding(tables.positions, tables.width, t));
    if (tables.behind_padding) positions_->padding = tables.padding;
  }
  if (tables.types > 0)
    types_ = register_module("token_type_embeddings", Embedding(tables.types, tables.width, t));
  const std::int64_t normed = tables.normed > 0 ? tables.normed : tables.width;
  if (normed != tables.width)
    widen_ = register_module("embed_proj", Linear(tables.width, normed, false, t));
  norm_ = register_module("LayerNorm", LayerNorm(normed, tables.layer_norm_eps, t));
}

Tensor TextEmbeddings::positions_of(const Tensor& ids, const RowLayout& rows) const {
  const Tensor places = rows.positions(ids.device());
  if (!tables_.behind_padding) return places;
  // Words up to each token, less those before its row.
  const Tensor counts = ids.ne(tables_.padding).to(torch::kInt64), sums = counts.cumsum(0);
  const Tensor first = torch::arange(ids.size(0), places.options()) - places;
  const Tensor before = (sums - counts).index_select(0, first);
  return (sums - before) * counts + tables_.padding;
}

Tensor TextEmbeddings::forward(const Tensor& ids, const Tensor& types, const RowLayout& rows,
                               std::int64_t before) const {
  Tensor sum = words->forward(ids);
  // On another device prepare() has looked at them, before they went there.
  if (types_ && types.defined() && types.is_cpu() && types.numel() > 0)
    TORCH_CHECK(types.max().item<std::int64_t>() < tables_.types,
                "a second text's tokens are of another kind than the first's, and the model knows ",
                tables_.types, " (type_vocab_size of its config.json): give rows of one text");
  if (types_) sum = sum + types_->forward(types.defined() ? types : torch::zeros_like(ids));
  if (positions_ && !tables_.positions_apart) {
    // Of rows that stand the lengths are the device's; they were cut to the positions.
    const std::int64_t reach = rows.stands() ? 0 : before + rows.longest();
    TORCH_CHECK(reach <= longest_row(tables_), "a row of ", reach,
                " tokens is longer than the model's ", longest_row(tables_), " positions");
    const Tensor places = positions_of(ids, rows);
    sum = sum + positions_->forward(before > 0 ? places + before : places);
  }
  return norm_->forward(widen_ ? widen_->forward(sum) : sum);
}

Tensor TextEmbeddings::positions(const RowLayout& rows, torch::Device device) const {
  const std::int64_t reach = rows.stands() ? 0 : rows.longest();
  TORCH_CHECK(reach <= longest_row(tables_), "a row of ", reach,
              " tokens is longer than the model's ", longest_row(tables_), " positions");
  return positions_->forward(rows.positions(device));
}

bool TextEmbeddings::in_common(const std::string& tensor) const {
  if (tables_.all_in_common || tensor.starts_with("word_embeddings")) return true;
  return !tables_.positions_apart && tensor.starts_with("position_embeddings");
}

Stage TextEmbeddings::cost(const StepTerms& terms, std::int64_t tokens) const {
  Stage stage;
  const TrainedShare share = trained_within(terms, *this);
  if (share.trains) stage.kept = norm_kept(terms, norm_, tokens);
  if (widen_ && terms.of(*widen_).trains) stage.kept += terms.block(tokens * tables_.width);
  stage.moments = {{stage.kept, 2 * terms.block(tokens * norm_->weight.size(0))}};
  stage.gradients = share.parameters * terms.gradient_element;
  return stage;
}

}  // namespace luthier
