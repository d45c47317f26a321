// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/bert/text_class_head.h"

#include "engine/models/bert/named_parts.h"
#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

/// Where each row begins: [rows] int64.
Tensor first_tokens(const RowLayout& rows, torch::Device device) {
  if (!rows.equal()) return rows.ends(device).slice(0, 0, rows.rows()).to(torch::kInt64);
  const auto options = torch::TensorOptions().dtype(torch::kInt64).device(device);
  return torch::arange(rows.rows(), options) * rows.longest();
}

/// For each token the state of its row's first one: [tokens, hidden]. Its gradient is a sum over a
/// padded row, which comes out the same each time.
Tensor first_of_row(const Tensor& states, const RowLayout& rows) {
  const Tensor firsts = states.index_select(0, first_tokens(rows, states.device()));
  const Tensor spread = firsts.unsqueeze(1).expand({rows.rows(), rows.longest(), firsts.size(1)});
  return rows.equal() ? spread.reshape({-1, firsts.size(1)}) : rows.unpad(spread);
}

}  // namespace

TextClassHead::TextClassHead(torch::nn::Module& model, const ClassHeadNames& names,
                             const ClassOptions& classes, const ClassHeadSizes& sizes,
                             const torch::TensorOptions& t)
    : classes_(classes), sizes_(sizes) {
  const bool of_rows = classes.of == ClassOptions::Of::Row;
  if (sizes.first_added > 0)
    norm_ = register_at(model, names.norm, LayerNorm(sizes.hidden, sizes.first_added, t));
  if (of_rows || sizes.replaced)
    pooled_ = register_at(model, names.pooled, Linear(sizes.hidden, sizes.hidden, true, t));
  const std::int64_t numbers = sizes.replaced ? 1 : classes.numbers();
  out_ = register_at(model, pooled_ ? names.rows : names.tokens,
                     Linear(sizes.hidden, numbers, true, t));
}

Tensor TextClassHead::forward(const Tensor& states, const RowLayout& rows) const {
  Tensor x = states;
  if (classes_.of == ClassOptions::Of::Row)
    x = x.index_select(0, first_tokens(rows, states.device()));
  if (norm_) x = norm_->forward(x + first_of_row(x, rows));
  if (pooled_) {
    x = pooled_->forward(x);
    x = sizes_.activation ? activate(x, *sizes_.activation) : at::tanh(x);
  }
  const Tensor said = out_->forward(x);
  // A softmax over nothing and that number is its sigmoid.
  return sizes_.replaced ? at::cat({torch::zeros_like(said), said}, 1) : said;
}

void TextClassHead::add_cost(const Pass& pass, bool flows, PassCost& cost) const {
  const StepTerms& terms = pass.terms;
  const std::int64_t judged = classes_.of == ClassOptions::Of::Row
                                  ? static_cast<std::int64_t>(pass.lengths.size())
                                  : pass.tokens;
  const std::int64_t state = terms.block(judged * sizes_.hidden);
  Stage stage;
  bool below = flows;
  if (flows && classes_.of == ClassOptions::Of::Row) stage.kept += terms.block(judged, 8);
  if (norm_) {
    below = below || terms.of(*norm_).trains;
    if (below) stage.kept += norm_kept(terms, norm_, judged);
  }
  if (pooled_) {
    const ProductsCost pooled = products_cost(terms, {pooled_}, judged);
    stage.kept += pooled.input + pooled.numbers;
    below = below || pooled.trains;
    if (below) stage.kept += state;
  }
  const ProductsCost out = products_cost(terms, {out_}, judged);
  stage.kept += out.input + out.numbers;
  // The gradient of all states, of which few are looked at.
  const std::int64_t all = flows ? terms.block(pass.tokens * sizes_.hidden) : 0;
  stage.moments = {{stage.kept, 2 * state + all}};
  std::int64_t trained = terms.of(*out_).parameters;
  if (pooled_) trained += terms.of(*pooled_).parameters;
  if (norm_) trained += terms.of(*norm_).parameters;
  stage.gradients = trained * terms.gradient_element;
  cost.stages.push_back(stage);
  cost.head.vocabulary = classes_.numbers(), cost.head.width = sizes_.hidden;
}

}  // namespace luthier
