// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/deberta/deberta_layer.h"

#include <algorithm>

#include "engine/models/bert/named_parts.h"
#include "engine/nn/module_cost.h"

namespace luthier::deberta {

using torch::Tensor;

namespace {

constexpr TextLayerNames kDebertaLayer{"attention.self.query_proj",
                                       "attention.self.key_proj",
                                       "attention.self.value_proj",
                                       "attention.output.dense",
                                       "attention.output.LayerNorm",
                                       "intermediate.dense",
                                       "output.dense",
                                       "output.LayerNorm"};

/// What RowLayout::once is asked for.
constexpr std::int64_t kConvolved = -6;

/// transformers' Conv1d over a row's tokens.
class RowConvolution : public ParameterModule {
 public:
  RowConvolution(std::int64_t width, const ConvolutionSizes& sizes, const torch::TensorOptions& t) {
    add_parameter("weight", weight, {width, width / sizes.groups, sizes.kernel}, t);
    add_parameter("bias", bias, {width}, t);
  }
  std::string type_name() const override { return "Parameter"; }
  Tensor weight, bias;
};

}  // namespace

Layer::Layer(const Options& o, const torch::TensorOptions& t)
    : TextLayer(o.layer, kDebertaLayer, t), distances_(o.distances) {
  if (!distances_.on || distances_.share_keys) return;
  const auto own = [&](const char* name) {
    return register_at(*this, name, Linear(o.layer.hidden, o.layer.hidden, true, t));
  };
  if (distances_.c2p) pos_key_ = own("attention.self.pos_key_proj");
  if (distances_.p2c) pos_query_ = own("attention.self.pos_query_proj");
}

Tensor Layer::attention(const Tensor& x, const LayerFrame& frame) const {
  const auto made = side_by_side(x, {query_.get(), key_.get(), value_.get()});
  return mixture(made[0], made[1], made[2], frame);
}

Tensor Layer::forward_from(const Tensor& asking, const Tensor& seen,
                           const LayerFrame& frame) const {
  const auto made = side_by_side(seen, {key_.get(), value_.get()});
  return behind_attention(asking, mixture(query_->forward(asking), made[0], made[1], frame), frame);
}

/// Queries, keys and values [tokens, hidden] → the same, behind the last product.
Tensor Layer::mixture(const Tensor& q, const Tensor& k, const Tensor& v,
                      const LayerFrame& frame) const {
  const auto split = [&](const Tensor& y) { return y.view({y.size(0), heads_, -1}); };
  Tensor keys, queries;
  if (distances_.on && distances_.c2p)
    keys = split((pos_key_ ? pos_key_ : key_)->forward(frame.memory->states));
  if (distances_.on && distances_.p2c)
    queries = split((pos_query_ ? pos_query_ : query_)->forward(frame.memory->states));
  return mixed_->forward(
      disentangled_attention(split(q), split(k), split(v), keys, queries, frame.rows, distances_));
}

AttentionCost Layer::core_cost(const StepTerms& terms, const RowsShape& rows) const {
  const std::int64_t size = query_->out_features() / heads_;
  AttentionCost cost = attention_cost(terms, rows, heads_, heads_, size, Scores::Biased);
  const std::int64_t kinds = distances_.on ? distances_.terms() - 1 : 0;
  if (kinds == 0) return cost;
  std::int64_t said = 0;  // of the largest group: queries by distances, which no row keeps
  for (const auto& group : rows.groups) {
    const std::int64_t distances = 2 * group.length - 1;
    cost.kept += kinds * terms.floats(distances * heads_ * size);
    said = std::max(said, terms.floats(group.rows * heads_ * group.length * distances));
  }
  cost.scores += said;
  return cost;
}

Convolution::Convolution(const Options& o, const torch::TensorOptions& t) : sizes_(o.convolution) {
  const auto conv = std::make_shared<RowConvolution>(o.layer.hidden, sizes_, t);
  conv_ = register_module("conv", conv);
  weight_ = &conv->weight, bias_ = &conv->bias;
  norm_ = register_module("LayerNorm", LayerNorm(o.layer.hidden, o.layer.layer_norm_eps, t));
}

Tensor Convolution::places(const RowLayout& rows) const {
  std::vector<Tensor> parts;
  std::int64_t start = 0;
  for (const std::int64_t length : rows.lengths()) {
    parts.push_back(torch::arange(start, start + length, torch::kInt64));
    start += length + sizes_.kernel / 2;
  }
  return at::cat(parts);
}

void Convolution::take_places(const RowLayout& rows, const Tensor& places) const {
  (void)rows.once({kConvolved}, [&] { return places; });
}

Tensor Convolution::forward(const Tensor& embeddings, const Tensor& states,
                            const RowLayout& rows) const {
  const bool apart = rows.rows() > 1;
  const Tensor where =
      apart ? rows.once({kConvolved}, [&] { return places(rows).to(states.device()); }) : Tensor();
  const std::int64_t gap = sizes_.kernel / 2,
                     long_row = embeddings.size(0) + (rows.rows() - 1) * gap;
  const Tensor set_apart = apart
                               ? torch::zeros({long_row, embeddings.size(1)}, embeddings.options())
                                     .index_copy(0, where, embeddings)
                               : embeddings;
  const Tensor convolved =
      at::conv1d(set_apart.t().unsqueeze(0), *weight_, *bias_, 1, gap, 1, sizes_.groups)
          .squeeze(0)
          .t();
  const Tensor own = apart ? reorder(convolved, where, {}) : convolved.contiguous();
  const Tensor added = sizes_.activation ? activate(own, *sizes_.activation) : at::tanh(own);
  return norm_->forward(states + added);
}

Stage Convolution::cost(const StepTerms& terms, std::int64_t tokens, std::int64_t rows,
                        bool flows) const {
  const std::int64_t width = norm_->weight.size(0), state = terms.block(tokens * width),
                     spread = terms.block((tokens + (rows - 1) * (sizes_.kernel / 2)) * width);
  const bool learns = terms.of(*conv_).trains;
  Stage stage;
  if (flows || learns) stage.kept += state + (learns ? spread : 0);
  if (flows || learns || terms.of(*norm_).trains) stage.kept += norm_kept(terms, norm_, tokens);
  stage.moments = {{stage.kept, 2 * state + 3 * spread}};
  stage.gradients = trained_within(terms, *this).parameters * terms.gradient_element;
  return stage;
}

}  // namespace luthier::deberta
