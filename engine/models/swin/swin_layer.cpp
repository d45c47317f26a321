// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/swin/swin_layer.h"

#include <algorithm>
#include <cmath>

#include "engine/models/bert/named_parts.h"
#include "engine/nn/module_cost.h"
#include "engine/nn/side_by_side.h"

namespace luthier {

using torch::Tensor;

namespace {

/// What a place's score of one that no window holds beside it loses (transformers').
constexpr double kApart = -100;

/// maps [maps, rows, columns, width] as windows' places, one behind another, and back.
Tensor in_windows(const Tensor& x, const WindowGrid& g) {
  return x.reshape({x.size(0), g.rows / g.window, g.window, g.columns / g.window, g.window, -1})
      .permute({0, 1, 3, 2, 4, 5})
      .reshape({-1, x.size(3)});
}
Tensor out_of_windows(const Tensor& x, std::int64_t maps, const WindowGrid& g) {
  return x.view({maps, g.rows / g.window, g.columns / g.window, g.window, g.window, -1})
      .permute({0, 1, 3, 2, 4, 5})
      .reshape({maps, g.rows, g.columns, x.size(1)});
}

/// Of each place of a side which of the three stretches it lies in that turning the map brings
/// together: what stood before the last window, and the last one's two parts.
Tensor stretches(std::int64_t side, const WindowGrid& g) {
  const Tensor places = torch::arange(side, torch::kInt64);
  return places.ge(side - g.window).to(torch::kInt64) + places.ge(side - g.shift).to(torch::kInt64);
}

/// [windows, 1, area, area]: 0 where two places of a window were neighbours before the turn.
Tensor apart(const WindowGrid& g) {
  const Tensor parts = stretches(g.rows, g).unsqueeze(1) * 3 + stretches(g.columns, g).unsqueeze(0);
  const Tensor windows =
      in_windows(parts.unsqueeze(0).unsqueeze(-1), g).view({g.windows(), g.area()});
  return windows.unsqueeze(1).ne(windows.unsqueeze(2)).to(torch::kFloat32).mul(kApart).unsqueeze(1);
}

}  // namespace

WindowGrid WindowGrid::over(std::int64_t rows, std::int64_t columns, std::int64_t window,
                            std::int64_t shift) {
  TORCH_CHECK(std::min(rows, columns) >= window, "a map of ", rows, " x ", columns,
              " is smaller than the model's windows of ", window);
  WindowGrid grid{window, shift, rows, columns};
  if (std::min(rows, columns) == window) grid.shift = 0;
  const auto filled = [window](std::int64_t side) { return (side + window - 1) / window * window; };
  grid.rows = filled(rows), grid.columns = filled(columns);
  return grid;
}

/// What is added to the scores of two places by how far apart they are in their window.
class SwinAttention::Bias : public ParameterModule {
 public:
  Bias(std::int64_t window, std::int64_t heads, const torch::TensorOptions& t)
      : window_(window), heads_(heads) {
    const std::int64_t distances = 2 * window - 1;
    add_parameter("relative_position_bias_table", table_, {distances * distances, heads}, t);
  }
  std::string type_name() const override { return "Parameter"; }
  Tensor first_value(const std::string& name, const at::Generator& generator) const override {
    if (name == "relative_position_bias_table")
      return torch::zeros(table_.sizes(), torch::kFloat32);
    return ParameterModule::first_value(name, generator);
  }
  /// [heads, area, area]
  Tensor forward() const {
    const std::int64_t area = window_ * window_;
    return at::embedding(table_, places()).view({area, area, heads_}).permute({2, 0, 1});
  }
  /// `apart`, where the map is turned, made once for maps of a size and a device.
  Tensor apart_over(const WindowGrid& grid) const {
    Tensor& made = apart_[{grid.rows, grid.columns}];
    if (made.defined() && made.device() == table_.device()) return made;
    const c10::InferenceMode normal(false);  // steps that learn read it, too
    return made = apart(grid).to(table_.device());
  }

 private:
  /// Of each pair of places its row of the table: [area · area] int64.
  const Tensor& places() const {
    if (places_.defined() && places_.device() == table_.device()) return places_;
    const c10::InferenceMode normal(false);
    const Tensor along = torch::arange(window_, torch::kInt64),
                 away = along.unsqueeze(1) - along.unsqueeze(0) + (window_ - 1);
    // Places go by rows: [row, column] of the one that asks, [row, column] of the other.
    const Tensor rows = away.view({window_, 1, window_, 1}) * (2 * window_ - 1),
                 columns = away.view({1, window_, 1, window_});
    return places_ = (rows + columns).reshape({-1}).to(table_.device());
  }

  std::int64_t window_, heads_;
  Tensor table_;
  mutable Tensor places_;
  mutable std::map<std::pair<std::int64_t, std::int64_t>, Tensor> apart_;
};

SwinAttention::SwinAttention(const SwinOptions& o, std::size_t stage, const torch::TensorOptions& t)
    : heads_(o.heads[stage]) {
  const std::int64_t width = o.width(stage);
  const auto made = neighbouring_linears(width, {width, width, width}, o.qkv_bias, t);
  query_ = register_module("q_proj", made[0]);
  key_ = register_module("k_proj", made[1]);
  value_ = register_module("v_proj", made[2]);
  mixed_ = register_module("o_proj", Linear(width, width, true, t));
  bias_ = register_module("relative_position_bias", std::make_shared<Bias>(o.window, heads_, t));
}

Tensor SwinAttention::forward(const Tensor& x, const WindowGrid& grid) const {
  const std::int64_t area = grid.area(), windows = grid.windows(),
                     maps = x.size(0) / windows / area, size = query_->out_features() / heads_;
  const auto made = side_by_side(x, {query_.get(), key_.get(), value_.get()});
  const auto split = [&](const Tensor& y) {
    return y.view({maps * windows, area, heads_, size})
        .transpose(1, 2)
        .to(torch::kFloat32)
        .contiguous();
  };
  const Tensor query = split(made[0]), key = split(made[1]), value = split(made[2]);
  Tensor scores =
      at::matmul(query * (1 / std::sqrt(static_cast<double>(size))), key.transpose(-1, -2)) +
      bias_->forward().to(torch::kFloat32);
  if (grid.shift > 0)
    scores = (scores.view({maps, windows, heads_, area, area}) + bias_->apart_over(grid))
                 .view({maps * windows, heads_, area, area});
  const Tensor mixture = at::matmul(at::softmax(scores, -1), value);
  return mixed_->forward(mixture.transpose(1, 2).reshape({x.size(0), -1}).to(x.scalar_type()));
}

AttentionBranchCost SwinAttention::cost(const StepTerms& terms, std::int64_t maps,
                                        const WindowGrid& grid, bool flows) const {
  const std::int64_t places = maps * grid.windows() * grid.area(), width = query_->in_features(),
                     scores = terms.floats(places * grid.area() * heads_);
  AttentionCost core;
  // Scaled queries, keys and values in the windows' order, and the probabilities.
  core.kept = 3 * terms.floats(places * width) + scores;
  core.work = 3 * terms.floats(places * width);
  core.scores = 2 * scores;
  AttentionBranchCost cost =
      attention_branch_cost(terms, {query_, key_, value_}, mixed_, core, 0, places, flows);
  return cost;
}

SwinLayer::SwinLayer(const SwinOptions& o, std::size_t stage, bool shifted,
                     const torch::TensorOptions& t)
    : window_(o.window), shift_(shifted ? o.window / 2 : 0), activation_(o.activation) {
  const std::int64_t width = o.width(stage),
                     wide = static_cast<std::int64_t>(o.mlp_ratio * static_cast<double>(width));
  before_ = register_module("layernorm_before", LayerNorm(width, o.layer_norm_eps, t));
  attention_ = register_module("attention", std::make_shared<SwinAttention>(o, stage, t));
  after_ = register_module("layernorm_after", LayerNorm(width, o.layer_norm_eps, t));
  wide_ = register_at(*this, "mlp.fc1", Linear(width, wide, true, t));
  narrow_ = register_at(*this, "mlp.fc2", Linear(wide, width, true, t));
}

Tensor SwinLayer::forward(const Tensor& x, const SwinBeside& beside) const {
  const std::int64_t maps = x.size(0), rows = x.size(1), columns = x.size(2);
  const WindowGrid grid = WindowGrid::over(rows, columns, window_, shift_);
  Tensor turned = before_->forward(x);
  if (grid.rows != rows || grid.columns != columns)
    turned = at::constant_pad_nd(turned, {0, 0, 0, grid.columns - columns, 0, grid.rows - rows});
  if (grid.shift > 0) turned = at::roll(turned, {-grid.shift, -grid.shift}, {1, 2});
  Tensor seen = out_of_windows(attention_->forward(in_windows(turned, grid), grid), maps, grid);
  if (grid.shift > 0) seen = at::roll(seen, {grid.shift, grid.shift}, {1, 2});
  seen = seen.slice(1, 0, rows).slice(2, 0, columns);
  const Tensor states = x + (beside ? beside(seen) : seen);
  const Tensor flat = after_->forward(states).reshape({-1, x.size(3)});
  return states + narrow_->forward(activate(wide_->forward(flat), activation_)).view(x.sizes());
}

LayerCost SwinLayer::cost(const StepTerms& terms, std::int64_t maps, std::int64_t rows,
                          std::int64_t columns, bool flows, bool joined) const {
  LayerCost layer;
  layer.share = trained_within(terms, *this);
  if (!flows && !joined && !layer.share.trains) return layer;
  const WindowGrid grid = WindowGrid::over(rows, columns, window_, shift_);
  const std::int64_t places = maps * rows * columns, width = wide_->in_features(),
                     state = terms.block(places * width),
                     turned = terms.block(maps * grid.rows * grid.columns * width);
  const bool normed = flows || terms.of(*before_).trains;
  const AttentionBranchCost attention = attention_->cost(terms, maps, grid, normed);
  const bool passed = normed || joined || attention.passes || terms.of(*after_).trains;
  const MlpCost mlp = mlp_cost(terms, {wide_}, narrow_, places, passed);
  layer.attention = attention.kept + (normed ? norm_kept(terms, before_, places) : 0);
  layer.mlp = mlp.kept + (passed ? norm_kept(terms, after_, places) : 0);
  layer.mlp_work = 2 * state + mlp.work;
  layer.attention_work = state + 2 * turned + attention.core.work + attention.core.scores;
  return layer;
}

}  // namespace luthier
