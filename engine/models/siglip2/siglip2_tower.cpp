// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/siglip2/siglip2_tower.h"

#include <cmath>

#include "engine/models/config_numbers.h"
#include "engine/models/pictures/pooling_head.h"
#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

constexpr const char *kNaflexShares = "position_shares", *kNaflexRows = "frames";

RowLayout rows_of(const std::vector<PatchGrid>& frames) {
  std::vector<std::int64_t> lengths;
  for (const PatchGrid& frame : frames) lengths.push_back(frame.rows * frame.columns);
  return RowLayout(std::move(lengths));
}

}  // namespace

class Siglip2Tower::Embeddings : public torch::nn::Module {
 public:
  Embeddings(const Siglip2Options& o, const torch::TensorOptions& t) {
    patch_embedding_ =
        register_module("patch_embedding", Linear(o.patch_values(), o.hidden_size, true, t));
    position_embedding_ = register_module(
        "position_embedding", Embedding(o.position_side * o.position_side, o.hidden_size, t));
  }
  /// `shares`: position_shares().
  Tensor forward(const Tensor& patches, const Tensor& shares) {
    const Tensor& table = position_embedding_->weight;
    // In float32, as the reference stretches it.
    const Tensor positions = at::mm(shares, table.to(torch::kFloat32)).to(table.scalar_type());
    return patch_embedding_(patches.to(table.scalar_type())) + positions;
  }
  void add_cost(TowerCost& cost, const StepTerms& terms, std::int64_t patches) const {
    const ProductsCost product = products_cost(terms, {patch_embedding_}, patches);
    const std::int64_t cells = position_embedding_->weight.size(0);
    const bool stretched = terms.of(*position_embedding_).trains || !terms.cpu;
    cost.add_part(terms, trained_within(terms, *this),
                  product.input + product.numbers + (stretched ? terms.floats(patches * cells) : 0),
                  product.work);
  }

 private:
  Linear patch_embedding_{nullptr};
  Embedding position_embedding_{nullptr};
};

class Siglip2Tower::Encoder : public torch::nn::Module {};

Result<Siglip2Options> read_siglip2_options(const Json& config, const std::string& where) {
  Siglip2Options o;
  LUTHIER_TRY(const std::string type,
              json_string(config, "model_type", where, "siglip2_vision_model"));
  if (type != "siglip2_vision_model")
    return input_error("The vision tower \"" + type + "\" is not known.", where + ": model_type",
                       "Known is siglip2_vision_model.");
  o.patch_size = 16;
  o.image_height = o.image_width = 1 << 14;  // pictures have no size of their own here
  o.layer_norm_eps = 1e-6;
  o.hidden_act = Activation::GeluTanh;
  LUTHIER_CHECK(read_vision_sizes(config, where, o));
  std::int64_t positions = 256;
  LUTHIER_CHECK(read_in_range(config, "num_patches", where, 1, 1 << 14, positions));
  o.position_side =
      static_cast<std::int64_t>(std::lround(std::sqrt(static_cast<double>(positions))));
  if (o.position_side * o.position_side != positions)
    return input_error("The table of positions must be square.", where + ": num_patches");
  LUTHIER_TRY(o.pooling_head, json_bool(config, "vision_use_head", where, true));
  return o;
}

Siglip2Tower::Siglip2Tower(const Siglip2Options& o, const torch::TensorOptions& t)
    : PatchPort({o.hidden_size, o.num_hidden_layers, 0, "",
                 "this tower places its patches by their rows and columns, which such tokens do "
                 "not have"}),
      options_(o) {
  embeddings_ = register_module("embeddings", std::make_shared<Embeddings>(o, t));
  const auto encoder = register_module("encoder", std::make_shared<Encoder>());
  torch::nn::ModuleList list;
  for (std::int64_t i = 0; i < o.num_hidden_layers; ++i) {
    layers_.push_back(std::make_shared<FrameLayer>(o, t));
    list->push_back(layers_.back());
  }
  encoder->register_module("layers", list);
  post_layernorm_ =
      register_module("post_layernorm", LayerNorm(o.hidden_size, o.layer_norm_eps, t));
  if (o.pooling_head) head_ = register_module("head", std::make_shared<PoolingHead>(o, t));
}

void Siglip2Tower::prepare(ModelInput& input, const std::vector<PatchGrid>& frames) const {
  input.aside[kNaflexShares] = position_shares(frames, options_.position_side);
  rows_of(frames).set_aside(input.aside, kNaflexRows);
}

Tensor Siglip2Tower::forward(const ModelInput& input, const std::vector<PatchGrid>& frames) {
  RowLayout rows = rows_of(frames);
  rows.take_back(input.aside, kNaflexRows);
  const Tensor& pixels = input.pixel_values;
  TORCH_CHECK(pixels.dim() == 2 && pixels.size(0) == rows.tokens() &&
                  pixels.size(1) == options_.patch_values(),
              "the pictures' patches do not fit the tower");
  const auto made = input.aside.find(kNaflexShares);
  const Tensor shares = made != input.aside.end()
                            ? made->second
                            : position_shares(frames, options_.position_side).to(pixels.device());
  Tensor x = embeddings_->forward(pixels, shares);
  for (const std::shared_ptr<FrameLayer>& layer : layers_) x = layer->forward(x, rows);
  return post_layernorm_(x);
}

TowerCost Siglip2Tower::cost(const Pass& pass) const {
  const StepTerms& terms = pass.terms;
  const std::int64_t patches = pass.pictures.patches;
  TowerCost cost;
  embeddings_->add_cost(cost, terms, patches);
  for (const std::shared_ptr<FrameLayer>& layer : layers_)
    cost.add_layer(terms, layer->cost(terms, unmoved_rows(terms, patches), cost.flows));
  const TrainedShare last = terms.of(*post_layernorm_);
  if (cost.flows || last.trains)
    cost.add_part(terms, last, norm_kept(terms, post_layernorm_, patches));
  if (head_) cost.unreached += trained_within(terms, *head_).parameters;
  return cost;
}

}  // namespace luthier
