// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/eve/vision_tokenizer.h"

#include <algorithm>
#include <cmath>

#include "engine/nn/module_cost.h"

namespace luthier::eve {

using torch::Tensor;

namespace {

constexpr double kEpsilon = 1e-5;  // torch's own

class Pair : public torch::nn::Module {};

class StridedPatches : public PatchProduct {
 public:
  StridedPatches(const TokenizerSizes& o, const torch::TensorOptions& t) {
    add_parameter("weight", weight_, {o.width, 3, o.patch_stride, o.patch_stride}, t);
  }
  Tensor forward(const Tensor& patches) const { return product(patches.to(dtype())); }
  std::string type_name() const override { return "Conv2d"; }
};

}  // namespace

class PooledAttention : public torch::nn::Module {
 public:
  PooledAttention(std::int64_t width, const torch::TensorOptions& t)
      : width_(width), scale_(1 / std::sqrt(static_cast<double>(width))) {
    const auto asked = register_module("q", std::make_shared<Pair>());
    query_norm_ = asked->register_module("0", LayerNorm(width, kEpsilon, t));
    query_ = asked->register_module("1", Linear(width, width, /*bias=*/false, t));
    const auto seen = register_module("kv", std::make_shared<Pair>());
    seen_norm_ = seen->register_module("0", LayerNorm(width, kEpsilon, t));
    seen_ = seen->register_module("1", Linear(width, 2 * width, /*bias=*/false, t));
    out_ = register_module("proj", Linear(width, width, /*bias=*/true, t));
  }

  /// [n, width] → [n, heads, size].
  Tensor queries(const Tensor& x) { return heads_of(query_(query_norm_(x))); }
  /// [n, width] → keys and values, [n, heads, size] each.
  std::pair<Tensor, Tensor> keys_and_values(const Tensor& x) {
    const auto made = seen_(seen_norm_(x)).view({-1, 2, kHeads, width_ / kHeads}).unbind(1);
    return {made[0], made[1]};
  }
  /// Of queries and keys that lie beside one another, head by head. The scale is the whole width's.
  Tensor scores(const Tensor& query, const Tensor& key) { return (query * key).sum(-1) * scale_; }
  Tensor out(const Tensor& mixed) { return out_(mixed.reshape({-1, width_})); }

  /// `asking` queries to `seen` states, which `mixed` results come of; `flows`: a gradient is
  /// wanted of what comes in.
  void add_cost(const StepTerms& terms, std::int64_t asking, std::int64_t seen, std::int64_t mixed,
                bool flows, const TrainedShare& own, TowerCost& cost) const {
    TrainedShare share = trained_within(terms, *this);
    share += own;
    const ProductsCost query = products_cost(terms, {query_}, asking),
                       keys = products_cost(terms, {seen_}, seen),
                       back = products_cost(terms, {out_}, mixed);
    const bool inside = flows || own.trains || query.trains || keys.trains ||
                        terms.of(*query_norm_).trains || terms.of(*seen_norm_).trains;
    std::int64_t kept =
        query.input + query.numbers + keys.input + keys.numbers + back.input + back.numbers;
    if (flows || own.trains || terms.of(*query_norm_).trains)
      kept += norm_kept(terms, query_norm_, asking);
    if (flows || terms.of(*seen_norm_).trains) kept += norm_kept(terms, seen_norm_, seen);
    // Queries, keys with values, and the shares that a softmax made of scores.
    if (inside)
      kept += terms.block(asking * width_) + terms.block(2 * seen * width_) +
              terms.block(seen * kHeads);
    // Gradients of keys and values, apart and together.
    const std::int64_t work = inside ? terms.block(4 * seen * width_) : 0;
    cost.add_part(terms, share, kept, std::max({work, query.work, keys.work, back.work}));
  }

 private:
  Tensor heads_of(const Tensor& x) const { return x.view({-1, kHeads, width_ / kHeads}); }

  std::int64_t width_;
  double scale_;
  LayerNorm query_norm_{nullptr}, seen_norm_{nullptr};
  Linear query_{nullptr}, seen_{nullptr}, out_{nullptr};
};

Squares squares_of(const std::vector<std::int64_t>& grid, std::int64_t conv_stride) {
  TORCH_CHECK(grid.size() == 3 && grid[1] % conv_stride == 0 && grid[2] % conv_stride == 0,
              "a picture's patches do not divide into squares of ", conv_stride);
  return {grid[1] / conv_stride, grid[2] / conv_stride};
}

VisionTokenizer::VisionTokenizer(const TokenizerSizes& o, const torch::TensorOptions& t)
    : sizes_(o) {
  patch_embedding_ = register_module("patch_embedding", std::make_shared<StridedPatches>(o, t));
  add_parameter("class_embedding", class_embedding_, {o.width}, t);
  add_parameter("split_embedding", split_embedding_, {o.width}, t);
  local_ = register_module("local_attention", std::make_shared<PooledAttention>(o.width, t));
  global_ = register_module("global_attention", std::make_shared<PooledAttention>(o.width, t));
}

Tensor VisionTokenizer::first_value(const std::string&, const at::Generator& generator) const {
  return torch::empty({sizes_.width}, torch::kFloat32).normal_(0, 1, generator);
}

Tensor VisionTokenizer::forward(const Tensor& patches, const std::vector<PictureFacts>& pictures) {
  TORCH_CHECK(patches.dim() == 2 && patches.size(1) == sizes_.patch_values(),
              "the pictures' patches do not fit the model");
  const std::int64_t width = sizes_.width, within = sizes_.square();
  const Tensor embedded = static_cast<StridedPatches&>(*patch_embedding_).forward(patches);
  const Tensor pooled = embedded.view({-1, within, width}).mean(1);  // [squares, width]
  const auto spread = [&](const Tensor& x) { return x.view({-1, within, kHeads, width / kHeads}); };
  const auto [keys, values] = local_->keys_and_values(embedded);
  const Tensor shares =
      local_->scores(local_->queries(pooled).unsqueeze(1), spread(keys)).softmax(1);
  const Tensor squares = pooled + local_->out((shares.unsqueeze(-1) * spread(values)).sum(1));

  const Tensor first = class_embedding_.unsqueeze(0);  // [1, width]
  const auto [all_keys, all_values] = global_->keys_and_values(squares);
  const Tensor scores = global_->scores(global_->queries(first), all_keys);  // [squares, heads]
  std::vector<Tensor> mixed, rows;
  std::int64_t begin = 0;
  for (const PictureFacts& picture : pictures) {
    const Squares shape = squares_of(picture.grid, sizes_.conv_stride);
    const std::int64_t end = begin + shape.count();
    mixed.push_back(
        (scores.slice(0, begin, end).softmax(0).unsqueeze(-1) * all_values.slice(0, begin, end))
            .sum(0));
    rows.push_back(at::cat({squares.slice(0, begin, end).view({shape.rows, shape.columns, width}),
                            split_embedding_.expand({shape.rows, 1, width})},
                           1)
                       .view({-1, width}));
    begin = end;
  }
  TORCH_CHECK(begin == squares.size(0), "the pictures' grids do not fit their patches");
  const Tensor classes = first + global_->out(at::stack(mixed));  // [pictures, width]
  std::vector<Tensor> tokens;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    tokens.push_back(
        classes.slice(0, static_cast<std::int64_t>(i), static_cast<std::int64_t>(i) + 1));
    tokens.push_back(rows[i]);
  }
  return at::cat(tokens);
}

TowerCost VisionTokenizer::cost(const Pass& pass, std::int64_t patches, bool apart) const {
  const StepTerms& terms = pass.terms;
  const std::int64_t squares = patches / sizes_.square();
  TowerCost cost;
  const ProductsCost product =
      patches_cost(terms, *patch_embedding_, patches * sizes_.patch_values());
  // In float32 what the product keeps is pixel_values itself, which stands with the inputs.
  const std::int64_t input = apart || terms.element < 4 ? product.input : 0;
  cost.add_part(terms, terms.of(*patch_embedding_), input + product.numbers, product.work);
  local_->add_cost(terms, squares, patches, squares, cost.flows, {}, cost);
  // The class token asks once, whatever the number of pictures.
  global_->add_cost(terms, 1, squares, pass.pictures.images, cost.flows, terms.of(*this), cost);
  return cost;
}

}  // namespace luthier::eve
