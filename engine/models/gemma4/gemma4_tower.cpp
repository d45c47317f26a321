// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/gemma4/gemma4_tower.h"

#include <algorithm>
#include <cmath>

#include "engine/models/config_numbers.h"
#include "engine/models/gemma4/clipped_linear.h"
#include "engine/models/vision_parts.h"
#include "engine/nn/attention.h"
#include "engine/nn/module_cost.h"
#include "engine/nn/rms_norm.h"

namespace luthier {

using torch::Tensor;

namespace {

constexpr const char *kGemma4Places = "patch_places", *kGemma4Angles = "patch_angles",
                     *kGemma4Pictures = "pictures";

/// x [tokens, heads, head_dim], of which either half of a head turns by an axis of its own, as
/// rotate() takes it: the first halves of both axes before the second ones. Scores of queries and
/// keys that both went through it are those of the ones that came.
Tensor axes_apart(const Tensor& x) {
  return x.unflatten(2, {2, 2, x.size(2) / 4}).transpose(2, 3).reshape(x.sizes());
}

class Gemma4VisionAttention : public torch::nn::Module, public BranchPort {
 public:
  Gemma4VisionAttention(const Gemma4VisionOptions& o, const torch::TensorOptions& t)
      : BranchPort(Kind::Attention, o.hidden_size),
        heads_(o.num_attention_heads),
        kv_heads_(o.num_key_value_heads),
        size_(o.head_dim),
        epsilon_(o.rms_norm_eps) {
    inputs_ = clipped_neighbours(
        o.hidden_size, {heads_ * size_, kv_heads_ * size_, kv_heads_ * size_}, o.clips, t);
    register_module("q_proj", inputs_[0]);
    register_module("k_proj", inputs_[1]);
    register_module("v_proj", inputs_[2]);
    o_proj_ =
        register_module("o_proj", std::make_shared<ClippedLinear>(
                                      Linear(heads_ * size_, o.hidden_size, false, t), o.clips, t));
    q_norm_ =
        register_module("q_norm", RmsNorm(size_, epsilon_, t, /*centred=*/false, /*once=*/true));
    k_norm_ =
        register_module("k_norm", RmsNorm(size_, epsilon_, t, /*centred=*/false, /*once=*/true));
  }

  Tensor forward(const Tensor& x, const RowLayout& rows, const RotaryTable& table) {
    const auto made = clipped_side_by_side(x, inputs_);
    const auto heads = [&](const Tensor& part) { return part.view({x.size(0), -1, size_}); };
    const Tensor query = rotate(axes_apart(q_norm_(heads(made[0]))), table);
    const Tensor key = rotate(axes_apart(k_norm_(heads(made[1]))), table);
    const Tensor value = unweighted_rms_norm(heads(made[2]), epsilon_);
    return o_proj_->forward(attend(query, key, value, rows, AttentionRule{false, {}, 1, 0}));
  }

  AttentionBranchCost cost(const StepTerms& terms, std::int64_t patches, bool flows) const {
    const Linear &q = inputs_[0]->linear(), &k = inputs_[1]->linear(), &v = inputs_[2]->linear();
    const Linear& out = o_proj_->linear();
    const std::int64_t norms = norm_kept(terms, q_norm_, patches * heads_) +
                               2 * norm_kept(terms, k_norm_, patches * kv_heads_) +
                               terms.block(size_);
    const AttentionCost core =
        attention_cost(terms, unmoved_rows(terms, patches), heads_, kv_heads_, size_);
    AttentionBranchCost cost =
        attention_branch_cost(terms, {q, k, v}, out, core, norms, patches, flows);
    cost.kept +=
        clipped_kept(terms, inputs_, patches, flows) + o_proj_->kept(terms, patches, cost.inside);
    // Bounds make a copy of the mixture.
    if (o_proj_->clips() && cost.inside && core.holds_mixture)
      cost.kept += products_cost(terms, {out}, patches).input;
    add_plug(cost, terms, *this, patches);
    return cost;
  }

 private:
  std::int64_t heads_, kv_heads_, size_;
  double epsilon_;
  std::vector<ClippedPointer> inputs_;
  ClippedPointer o_proj_;
  RmsNorm q_norm_{nullptr}, k_norm_{nullptr};
};

class Gemma4VisionMlp : public torch::nn::Module, public BranchPort {
 public:
  Gemma4VisionMlp(const Gemma4VisionOptions& o, const torch::TensorOptions& t)
      : BranchPort(Kind::FeedForward, o.hidden_size), activation_(o.hidden_act) {
    inputs_ =
        clipped_neighbours(o.hidden_size, {o.intermediate_size, o.intermediate_size}, o.clips, t);
    register_module("gate_proj", inputs_[0]);
    register_module("up_proj", inputs_[1]);
    down_proj_ = register_module(
        "down_proj", std::make_shared<ClippedLinear>(
                         Linear(o.intermediate_size, o.hidden_size, false, t), o.clips, t));
  }
  Tensor forward(const Tensor& x) {
    const auto made = clipped_side_by_side(x, inputs_);
    return down_proj_->forward(gated(made[0], made[1], activation_));
  }
  MlpCost cost(const StepTerms& terms, std::int64_t patches, bool flows) const {
    MlpCost cost = mlp_cost(terms, {inputs_[0]->linear(), inputs_[1]->linear()},
                            down_proj_->linear(), patches, flows);
    cost.kept += clipped_kept(terms, inputs_, patches, flows) +
                 down_proj_->kept(terms, patches, cost.inside);
    add_plug(cost, terms, *this, patches);
    return cost;
  }

 private:
  Activation activation_;
  std::vector<ClippedPointer> inputs_;
  ClippedPointer down_proj_;
};

}  // namespace

class Gemma4Tower::PatchEmbedder : public ParameterModule {
 public:
  PatchEmbedder(const Gemma4VisionOptions& o, const torch::TensorOptions& t) {
    add_parameter("position_embedding_table", table_, {2, o.positions, o.hidden_size}, t);
    input_proj_ = register_module("input_proj", Linear(o.patch_values(), o.hidden_size, false, t));
  }
  /// `places` [patches, 2] int64, into both tables as one below the other.
  Tensor forward(const Tensor& pixels, const Tensor& places) const {
    const Tensor made = input_proj_->forward((2 * (pixels - 0.5)).to(table_.scalar_type()));
    return made + looked_up(table_, places).sum(1);
  }
  ProductsCost cost(const StepTerms& terms, std::int64_t patches) const {
    ProductsCost cost = products_cost(terms, {input_proj_}, patches);
    if (terms.of(*this).trains)
      cost.work = std::max(cost.work, 2 * terms.block(patches * table_.size(2)));
    return cost;
  }
  std::string type_name() const override { return "Parameter"; }
  Tensor first_value(const std::string& name, const at::Generator&) const override {
    return name == "position_embedding_table" ? torch::ones(table_.sizes(), torch::kFloat32)
                                              : Tensor();
  }

 private:
  Tensor table_;
  Linear input_proj_{nullptr};
};

class Gemma4Tower::Encoder : public torch::nn::Module {};

class Gemma4Tower::Layer : public torch::nn::Module {
 public:
  Layer(const Gemma4VisionOptions& o, const torch::TensorOptions& t) {
    self_attn_ = register_module("self_attn", std::make_shared<Gemma4VisionAttention>(o, t));
    mlp_ = register_module("mlp", std::make_shared<Gemma4VisionMlp>(o, t));
    const auto norm = [&](const char* name) {
      return register_module(
          name, RmsNorm(o.hidden_size, o.rms_norm_eps, t, /*centred=*/false, /*once=*/true));
    };
    input_layernorm_ = norm("input_layernorm");
    post_attention_layernorm_ = norm("post_attention_layernorm");
    pre_feedforward_layernorm_ = norm("pre_feedforward_layernorm");
    post_feedforward_layernorm_ = norm("post_feedforward_layernorm");
  }
  Tensor forward(const Tensor& x, const RowLayout& rows, const RotaryTable& table) {
    const Tensor mixed = self_attn_->forward(input_layernorm_(x), rows, table);
    const auto [attended, normal] = pre_feedforward_layernorm_->after_sum(
        x, self_attn_->joined(post_attention_layernorm_(mixed), x));
    const Tensor fed = post_feedforward_layernorm_(mlp_->forward(normal));
    return attended + mlp_->joined(fed, attended);
  }
  LayerCost cost(const StepTerms& terms, std::int64_t patches, bool flows) const {
    TowerLayerParts parts;
    parts.share = trained_within(terms, *this);
    parts.flows = flows;
    parts.state = terms.block(patches * input_layernorm_->weight.size(0));
    const std::int64_t norm = norm_kept(terms, input_layernorm_, patches);
    parts.norm_before = norm;
    parts.attention = self_attn_->cost(terms, patches, flows);
    if (parts.attention.passes) parts.attention.kept += norm;
    parts.norm_after = norm;
    parts.mlp = mlp_->cost(terms, patches, parts.attention.passes);
    parts.mlp.kept += norm;
    LayerCost cost = tower_layer_cost(parts);
    const std::int64_t back = parts.state + norm_work(terms, input_layernorm_, patches);
    cost.attention_work = std::max(cost.attention_work, back);
    cost.mlp_work = std::max(cost.mlp_work, back);
    if (!parts.flows && !parts.share.trains) cost.attention_work = cost.mlp_work = 0;
    return cost;
  }

 private:
  std::shared_ptr<Gemma4VisionAttention> self_attn_;
  std::shared_ptr<Gemma4VisionMlp> mlp_;
  RmsNorm input_layernorm_{nullptr}, post_attention_layernorm_{nullptr},
      pre_feedforward_layernorm_{nullptr}, post_feedforward_layernorm_{nullptr};
};

Result<Gemma4VisionOptions> read_gemma4_vision(const Json& config, const std::string& where) {
  Gemma4VisionOptions o;
  LUTHIER_TRY(const std::string type, json_string(config, "model_type", where, "gemma4_vision"));
  if (type != "gemma4_vision")
    return input_error("The vision tower \"" + type + "\" is not this family's.",
                       where + ": model_type", "It is gemma4_vision.");
  const auto read = [&](const char* key, std::int64_t most, std::int64_t& value) {
    return read_in_range(config, key, where, 1, most, value);
  };
  LUTHIER_CHECK(read("hidden_size", 1 << 20, o.hidden_size));
  LUTHIER_CHECK(read("intermediate_size", 1 << 22, o.intermediate_size));
  LUTHIER_CHECK(read("num_hidden_layers", 4096, o.num_hidden_layers));
  LUTHIER_CHECK(read("num_attention_heads", 1 << 16, o.num_attention_heads));
  LUTHIER_CHECK(read("num_key_value_heads", 1 << 16, o.num_key_value_heads));
  LUTHIER_CHECK(read("head_dim", 1 << 16, o.head_dim));
  LUTHIER_CHECK(read("patch_size", 1 << 10, o.patch_size));
  // Of 1 transformers leaves out the features and keeps the padding.
  LUTHIER_CHECK(read_in_range(config, "pooling_kernel_size", where, 2, 64, o.pooling));
  LUTHIER_CHECK(read("position_embedding_size", 1 << 22, o.positions));
  if (o.num_attention_heads % o.num_key_value_heads != 0)
    return input_error("num_attention_heads is not a multiple of num_key_value_heads.",
                       where + ": num_key_value_heads");
  if (o.head_dim % 4 != 0)
    return input_error(
        "Heads of " + std::to_string(o.head_dim) + " numbers cannot be turned by row and column.",
        where + ": head_dim", "It must be a multiple of 4.");
  LUTHIER_TRY(const std::string act,
              json_string(config, "hidden_activation", where, "gelu_pytorch_tanh"));
  LUTHIER_TRY(o.hidden_act, parse_activation(act, where + ": hidden_activation"));
  LUTHIER_TRY(o.rms_norm_eps, json_number(config, "rms_norm_eps", where, o.rms_norm_eps));
  LUTHIER_TRY(o.clips, json_bool(config, "use_clipped_linears", where, false));
  LUTHIER_TRY(o.standardizes, json_bool(config, "standardize", where, false));
  LUTHIER_TRY(o.theta, json_number(config, "rope_theta", where, o.theta));
  std::string place = where + ": rope_theta";
  if (const auto rope = config.find("rope_parameters"); rope != config.end() && !rope->is_null()) {
    place = where + ": rope_parameters";
    if (!rope->is_object()) return input_error("An object is expected.", place);
    LUTHIER_TRY(const std::string kind, json_string(*rope, "rope_type", place, "axial"));
    if (kind != "axial")
      return input_error("The rotary scaling \"" + kind + "\" is not known.", place + ".rope_type",
                         "It is axial.");
    LUTHIER_TRY(o.theta, json_number(*rope, "rope_theta", place, o.theta));
    place += ".rope_theta";
  }
  if (!(o.theta > 0) || !std::isfinite(o.theta))
    return input_error("A number above 0 is expected.", place);
  return o;
}

Gemma4Tower::Gemma4Tower(const Gemma4VisionOptions& o, const torch::TensorOptions& t)
    : PatchPort({o.hidden_size, o.num_hidden_layers, 0, "",
                 "this tower turns its patches by their rows and columns, which such tokens do not "
                 "have"}),
      options_(o) {
  patch_embedder_ = register_module("patch_embedder", std::make_shared<PatchEmbedder>(o, t));
  const auto encoder = register_module("encoder", std::make_shared<Encoder>());
  torch::nn::ModuleList list;
  for (std::int64_t i = 0; i < o.num_hidden_layers; ++i) {
    layers_.push_back(std::make_shared<Layer>(o, t));
    list->push_back(layers_.back());
  }
  encoder->register_module("layers", list);
  if (!o.standardizes) return;
  add_fixed("std_bias", std_bias_, {o.hidden_size}, 0, t);
  add_fixed("std_scale", std_scale_, {o.hidden_size}, 1, t);
}

Tensor looked_up(const Tensor& tables, const Tensor& places) {
  const Tensor rows = tables.flatten(0, 1);
  if (!places.is_cpu() || tables.scalar_type() != torch::kBFloat16)
    return at::embedding(rows, places);
  return rows.index_select(0, places.flatten()).unflatten(0, {places.size(0), 2});
}

std::vector<QwenGrid> gemma4_grids(const std::vector<PictureFacts>& pictures) {
  std::vector<PictureFacts> cut = pictures;
  for (PictureFacts& picture : cut) {
    TORCH_CHECK(picture.grid.size() == 5,
                "a picture's grid has frames, rows, columns, pooling and the most patches");
    picture.grid.resize(3);
  }
  return qwen_grids(cut, 1);
}

Gemma4Tower::Tables Gemma4Tower::tables(const std::vector<QwenGrid>& grids) const {
  const Tensor found = patch_coordinates(grids, options_.pooling).flip(1);  // column and row
  const std::int64_t half = options_.head_dim / 2;
  const Tensor exponents =
      torch::arange(0, half, 2, torch::kInt64).to(torch::kFloat32) / static_cast<double>(half);
  const Tensor waves = 1.0 / torch::pow(options_.theta, exponents);  // [head_dim / 4]
  return {found.to(torch::kInt64) + torch::tensor({std::int64_t{0}, options_.positions}),
          (found.unsqueeze(2) * waves).flatten(1)};
}

void Gemma4Tower::prepare(ModelInput& input) const {
  const std::vector<QwenGrid> grids = gemma4_grids(input.pictures);
  const Tables made = tables(grids);
  input.aside[kGemma4Places] = made.places, input.aside[kGemma4Angles] = made.angles;
  RowLayout(frame_lengths(grids)).set_aside(input.aside, kGemma4Pictures);
}

Tensor Gemma4Tower::forward(const ModelInput& input) {
  const Tensor& pixels = input.pixel_values;
  const std::vector<QwenGrid> grids = gemma4_grids(input.pictures);
  for (const QwenGrid& grid : grids) {
    TORCH_CHECK(grid.rows % options_.pooling == 0 && grid.columns % options_.pooling == 0,
                "a picture's patches do not divide into squares of ", options_.pooling);
    TORCH_CHECK(std::max(grid.rows, grid.columns) <= options_.positions,
                "a picture has more rows or columns of patches than the tower has places for");
  }
  RowLayout rows(frame_lengths(grids));
  rows.take_back(input.aside, kGemma4Pictures);
  TORCH_CHECK(pixels.dim() == 2 && pixels.size(0) == rows.tokens() &&
                  pixels.size(1) == options_.patch_values(),
              "the pictures' patches do not fit the tower");
  const auto aside = input.aside.find(kGemma4Places);
  const Tables made = aside != input.aside.end()
                          ? Tables{aside->second, input.aside.at(kGemma4Angles)}
                          : tables(grids);
  Tensor x = patch_embedder_->forward(pixels, made.places.to(pixels.device()));
  const RotaryTable table = rotary_table(made.angles.to(pixels.device()), x.scalar_type());
  for (const auto& layer : layers_) x = layer->forward(x, rows, table);
  return pooled(x);
}

/// Features are large numbers: what float16 cannot hold is shifted and scaled before it is rounded.
Tensor Gemma4Tower::pooled(const Tensor& states) const {
  const torch::ScalarType type = states.scalar_type();
  const Tensor squares = states.unflatten(0, {-1, options_.block()}).to(torch::kFloat32);
  Tensor features = squares.mean(1).to(type).to(torch::kFloat32) *
                    std::sqrt(static_cast<double>(options_.hidden_size));
  if (std_bias_.defined())
    features = (features - std_bias_.to(torch::kFloat32)) * std_scale_.to(torch::kFloat32);
  return features.to(type);
}

TowerCost Gemma4Tower::cost(const Pass& pass) const {
  const StepTerms& terms = pass.terms;
  const std::int64_t patches = pass.pictures.patches;
  TowerCost cost;
  const ProductsCost product = patch_embedder_->cost(terms, patches);
  cost.add_part(terms, trained_within(terms, *patch_embedder_), product.input + product.numbers,
                product.work);
  for (const auto& layer : layers_) cost.add_layer(terms, layer->cost(terms, patches, cost.flows));
  // The rotary table stands until the first layer's backward has been.
  if (cost.flows) cost.stages.front().kept += 2 * terms.block(patches * options_.head_dim);
  return cost;
}

}  // namespace luthier
