// SPDX-License-Identifier: GPL-3.0-or-later
// What a score gets for its distance is a product of the query with a row of a table for the key's
// row, and one for its column. Those products stand behind the query's own numbers, and a one in
// their places behind the key's: fused attention then adds them, and the scores are never whole.
#include "engine/models/deepseek_ocr2/sam_layer.h"

#include <cmath>

#include "engine/models/deepseek_ocr2/stretched_tables.h"
#include "engine/nn/attention.h"
#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

/// What loops and kernels that know heads of some sizes take.
constexpr std::int64_t kSizeStep = 16;

constexpr std::int64_t up_to(std::int64_t number, std::int64_t step) {
  return (number + step - 1) / step * step;
}

}  // namespace

SamSquares::SamSquares(std::int64_t own_side, std::int64_t own_count, std::int64_t room,
                       const Tensor& like)
    : side(own_side),
      count(own_count),
      rows(std::vector<std::int64_t>(static_cast<std::size_t>(own_count), own_side * own_side)) {
  if (room == 0) return;
  const auto options = like.options().requires_grad(false);
  const Tensor places = at::eye(side, options);
  marks = at::cat({places.unsqueeze(1).expand({side, side, side}),
                   places.unsqueeze(0).expand({side, side, side}),
                   torch::zeros({side, side, room - 2 * side}, options)},
                  -1);
}

class SamAttention : public ParameterModule, public BranchPort {
 public:
  SamAttention(const SamOptions& o, std::int64_t layer, const torch::TensorOptions& t)
      : BranchPort(Kind::Attention, o.hidden_size),
        heads_(o.num_attention_heads),
        size_(o.hidden_size / o.num_attention_heads),
        window_(o.whole.at(static_cast<std::size_t>(layer)) ? 0 : o.window) {
    if (o.relative) {
      const std::int64_t side = window_ > 0 ? window_ : o.side();
      add_parameter("rel_pos_h", rel_pos_h_, {2 * side - 1, size_}, t);
      add_parameter("rel_pos_w", rel_pos_w_, {2 * side - 1, size_}, t);
    }
    qkv_ = register_module("qkv", Linear(o.hidden_size, 3 * o.hidden_size, o.qkv_bias, t));
    proj_ = register_module("proj", Linear(o.hidden_size, o.hidden_size, true, t));
  }
  std::string type_name() const override { return "Parameter"; }
  Tensor first_value(const std::string& name, const at::Generator&) const override {
    const Tensor& table = name == "rel_pos_h" ? rel_pos_h_ : rel_pos_w_;
    return torch::zeros(table.sizes(), torch::kFloat32);
  }

  Tensor forward(const Tensor& x, const SamSquares& squares) const {
    const std::int64_t frames = x.size(0), side = x.size(1), width = x.size(3);
    const Tensor parts = cut(x);  // [patches of all squares, width]
    const auto made = qkv_->forward(parts).view({-1, 3, heads_, size_}).unbind(1);
    const Tensor mixed = mix(made[0], made[1], made[2], squares);
    return proj_->forward(joined_squares(mixed, frames, side).reshape({-1, width})).view(x.sizes());
  }

  std::int64_t square_side(std::int64_t side) const { return window_ > 0 ? window_ : side; }
  /// Of a frame.
  std::int64_t square_count(std::int64_t side) const {
    const std::int64_t along = window_ > 0 ? up_to(side, window_) / window_ : 1;
    return along * along;
  }
  /// Numbers of a head beside its own.
  std::int64_t room(std::int64_t side) const {
    return rel_pos_h_.defined() ? up_to(size_ + 2 * side, kSizeStep) - size_ : 0;
  }

  AttentionBranchCost cost(const StepTerms& terms, std::int64_t frames, std::int64_t side,
                           bool flows) const {
    const std::int64_t square = square_side(side), area = square * square,
                       count = frames * square_count(side), patches = count * area,
                       own = frames * side * side, hidden = heads_ * size_;
    RowsShape rows;
    rows.tokens = rows.keys = rows.own_tokens = rows.own_keys = patches;
    rows.squares = patches * area;
    rows.rows = count, rows.longest = area;
    rows.groups = {{count, area}};
    const bool relative = rel_pos_h_.defined(),
               learns = terms.of(static_cast<const ParameterModule&>(*this)).trains;
    AttentionCost core =
        attention_cost(terms, rows, heads_, heads_, size_ + (relative ? room(square) : 0));
    std::int64_t between = 0;
    if (relative) {
      core.holds_mixture = false;  // the room beside is cut off
      between = 2 * terms.block(area * size_) + (learns ? 2 * terms.block(patches * hidden) : 0);
    }
    const bool copied = relative || window_ > 0;
    AttentionBranchCost cost = attention_branch_cost(terms, {qkv_}, proj_, core, between, patches,
                                                     flows || learns, copied ? own : 0);
    add_plug(cost, terms, *this, own);
    return cost;
  }
  /// Bytes of its input as squares, with what fills them up.
  std::int64_t parts_bytes(const StepTerms& terms, std::int64_t frames, std::int64_t side) const {
    const std::int64_t square = square_side(side);
    return terms.block(frames * square_count(side) * square * square * heads_ * size_);
  }

 private:
  /// [frames, side, side, width] as squares, zeros where they reach over the frame.
  Tensor cut(const Tensor& x) const {
    const std::int64_t width = x.size(3);
    if (window_ == 0) return x.reshape({-1, width});
    const std::int64_t side = up_to(x.size(1), window_), more = side - x.size(1),
                       along = side / window_;
    const Tensor all = more > 0 ? at::constant_pad_nd(x, {0, 0, 0, more, 0, more}) : x;
    return all.reshape({-1, along, window_, along, window_, width})
        .permute({0, 1, 3, 2, 4, 5})
        .reshape({-1, width});
  }
  /// The other way, of what is in the frame.
  Tensor joined_squares(const Tensor& parts, std::int64_t frames, std::int64_t side) const {
    const std::int64_t width = parts.size(1);
    if (window_ == 0) return parts.view({frames, side, side, width});
    const std::int64_t along = up_to(side, window_) / window_;
    return parts.view({frames, along, along, window_, window_, width})
        .permute({0, 1, 3, 2, 4, 5})
        .reshape({frames, along * window_, along * window_, width})
        .slice(1, 0, side)
        .slice(2, 0, side);
  }
  /// q, k, v [patches, heads, size] → [patches, heads · size].
  Tensor mix(const Tensor& q, const Tensor& k, const Tensor& v, const SamSquares& squares) const {
    const double scale = 1 / std::sqrt(static_cast<double>(size_));
    const AttentionRule rule{false, {}, scale, 0};
    if (!rel_pos_h_.defined()) return attend(q, k, v, squares.rows, rule);
    const std::int64_t side = squares.side, more = squares.marks.size(2);
    const auto placed = [&](const Tensor& x) {
      return x.reshape({squares.count, side, side, heads_, size_});
    };
    const Tensor query = placed(q);
    // Scores are scaled behind these products.
    const auto table = [&](const Tensor& of) {
      return (distances_between(of, side) / scale).transpose(1, 2);  // [side, size, side]
    };
    const auto product = [&](const Tensor& by_place, const Tensor& of) {
      const auto shape = by_place.sizes();
      return at::bmm(by_place.reshape({side, -1, size_}), table(of))
          .view({side, shape[1], shape[2], shape[3], side});
    };
    const Tensor down =
                     product(query.permute({1, 0, 2, 3, 4}), rel_pos_h_).permute({1, 0, 2, 3, 4}),
                 across =
                     product(query.permute({2, 0, 1, 3, 4}), rel_pos_w_).permute({1, 2, 0, 3, 4});
    std::vector<Tensor> numbers{query, down, across};
    if (more > 2 * side)
      numbers.push_back(torch::zeros({squares.count, side, side, heads_, more - 2 * side},
                                     query.options().requires_grad(false)));
    const Tensor marks = squares.marks.view({1, side, side, 1, more})
                             .expand({squares.count, side, side, heads_, more});
    const auto flat = [&](const Tensor& x) { return x.view({-1, heads_, size_ + more}); };
    const Tensor mixed = attend(flat(at::cat(numbers, -1)), flat(at::cat({placed(k), marks}, -1)),
                                at::constant_pad_nd(v, {0, more}), squares.rows, rule);
    return mixed.view({-1, heads_, size_ + more}).slice(2, 0, size_).reshape({-1, heads_ * size_});
  }

  std::int64_t heads_, size_, window_;
  Tensor rel_pos_h_, rel_pos_w_;  ///< [distances, size]; undefined: there are none
  Linear qkv_{nullptr}, proj_{nullptr};
};

class SamMlp : public torch::nn::Module, public BranchPort {
 public:
  SamMlp(const SamOptions& o, const torch::TensorOptions& t)
      : BranchPort(Kind::FeedForward, o.hidden_size), activation_(o.hidden_act) {
    lin1_ = register_module("lin1", Linear(o.hidden_size, o.intermediate_size, true, t));
    lin2_ = register_module("lin2", Linear(o.intermediate_size, o.hidden_size, true, t));
  }
  Tensor forward(const Tensor& x) const {
    return lin2_->forward(activate(lin1_->forward(x), activation_));
  }
  MlpCost cost(const StepTerms& terms, std::int64_t patches, bool flows) const {
    MlpCost cost = mlp_cost(terms, {lin1_}, lin2_, patches, flows);
    add_plug(cost, terms, *this, patches);
    return cost;
  }

 private:
  Activation activation_;
  Linear lin1_{nullptr}, lin2_{nullptr};
};

SamLayer::SamLayer(const SamOptions& o, std::int64_t layer, const torch::TensorOptions& t) {
  layer_norm1_ = register_module("layer_norm1", LayerNorm(o.hidden_size, o.layer_norm_eps, t));
  attn_ = register_module("attn", std::make_shared<SamAttention>(o, layer, t));
  layer_norm2_ = register_module("layer_norm2", LayerNorm(o.hidden_size, o.layer_norm_eps, t));
  mlp_ = register_module("mlp", std::make_shared<SamMlp>(o, t));
}

Tensor SamLayer::forward(const Tensor& x, const SamSquares& squares) {
  const Tensor attended = x + attn_->joined(attn_->forward(layer_norm1_(x), squares), x);
  return attended + mlp_->joined(mlp_->forward(layer_norm2_(attended)), attended);
}

std::int64_t SamLayer::square_side(std::int64_t side) const { return attn_->square_side(side); }

SamSquares SamLayer::squares(std::int64_t side, std::int64_t frames, const Tensor& like) const {
  const std::int64_t square = attn_->square_side(side);
  return {square, frames * attn_->square_count(side), attn_->room(square), like};
}

LayerCost SamLayer::cost(const StepTerms& terms, std::int64_t frames, std::int64_t side,
                         bool flows) const {
  const std::int64_t patches = frames * side * side;
  TowerLayerParts parts;
  parts.share = trained_within(terms, *this);
  parts.flows = flows;
  parts.state = terms.block(patches * layer_norm1_->weight.size(0));
  parts.norm_before = norm_kept(terms, layer_norm1_, patches);
  parts.norm_after = norm_kept(terms, layer_norm2_, patches);
  parts.attention = attn_->cost(terms, frames, side, flows);
  parts.mlp = mlp_->cost(terms, patches, parts.attention.passes);
  // Beside the gradients that attention gives stands that of its input, square by square.
  parts.turned = attn_->parts_bytes(terms, frames, side);
  return tower_layer_cost(parts);
}

}  // namespace luthier
