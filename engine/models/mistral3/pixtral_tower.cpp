// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/mistral3/pixtral_tower.h"

#include <cmath>

#include "engine/models/feed_forward.h"
#include "engine/models/qwen_vl/qwen_layout.h"
#include "engine/nn/attention.h"
#include "engine/nn/heads.h"
#include "engine/nn/module_cost.h"
#include "engine/nn/side_by_side.h"

namespace luthier {

using torch::Tensor;

namespace {

constexpr double kPixtralEpsilon = 1e-5;  // of every norm, whatever the files say
constexpr const char *kPixtralAngles = "patch_angles", *kPixtralRows = "pictures";

/// A convolution whose windows are cut already.
class FlatPatches : public PatchProduct {
 public:
  FlatPatches(const PixtralOptions& o, const torch::TensorOptions& t) {
    add_parameter("weight", weight_, {o.hidden_size, o.num_channels, o.patch_size, o.patch_size},
                  t);
  }
  Tensor forward(const Tensor& patches) const { return product(patches.to(dtype())); }
  std::string type_name() const override { return "Conv2d"; }
};

class PixtralAttention : public torch::nn::Module, public BranchPort {
 public:
  PixtralAttention(const PixtralOptions& o, const torch::TensorOptions& t)
      : BranchPort(Kind::Attention, o.hidden_size),
        heads_(o.num_attention_heads),
        size_(o.head_dim()) {
    const std::int64_t width = o.hidden_size;
    const auto made = neighbouring_linears(width, {width, width, width}, false, t);
    k_proj_ = register_module("k_proj", made[1]);
    v_proj_ = register_module("v_proj", made[2]);
    q_proj_ = register_module("q_proj", made[0]);
    o_proj_ = register_module("o_proj", Linear(width, width, false, t));
  }
  Tensor forward(const Tensor& x, const RowLayout& rows, const RotaryTable& table) {
    const AttentionRule rule{false, {}, 0, 0};
    const bool kept = keeps_as_given(x, heads_, heads_, size_, rows, rule, {}, false);
    const auto made = side_by_side(x, {q_proj_.get(), k_proj_.get(), v_proj_.get()});
    const auto split = [&](const Tensor& part) { return part.view({-1, heads_, size_}); };
    const auto turned = normed_and_turned(split(made[0]), split(made[1]), RmsNorm{nullptr},
                                          RmsNorm{nullptr}, table, kept);
    return o_proj_(attend(turned.first, turned.second, split(made[2]), rows, rule));
  }
  AttentionBranchCost cost(const StepTerms& terms, std::int64_t patches, bool flows) const {
    const AttentionCost core =
        attention_cost(terms, unmoved_rows(terms, patches), heads_, heads_, size_);
    AttentionBranchCost cost =
        attention_branch_cost(terms, {q_proj_, k_proj_, v_proj_}, o_proj_, core, 0, patches, flows);
    add_plug(cost, terms, *this, patches);
    return cost;
  }

 private:
  std::int64_t heads_, size_;
  Linear k_proj_{nullptr}, v_proj_{nullptr}, q_proj_{nullptr}, o_proj_{nullptr};
};

}  // namespace

class PixtralTower::Transformer : public torch::nn::Module {};

class PixtralTower::Layer : public torch::nn::Module {
 public:
  Layer(const PixtralOptions& o, const torch::TensorOptions& t) {
    attention_norm_ = register_module("attention_norm", RmsNorm(o.hidden_size, kPixtralEpsilon, t));
    feed_forward_ = register_module(
        "feed_forward", GatedMlp(o.hidden_size, o.intermediate_size, false, o.hidden_act, t));
    attention_ = register_module("attention", std::make_shared<PixtralAttention>(o, t));
    ffn_norm_ = register_module("ffn_norm", RmsNorm(o.hidden_size, kPixtralEpsilon, t));
  }
  Tensor forward(const Tensor& x, const RowLayout& rows, const RotaryTable& table) {
    const Tensor attended =
        x + attention_->joined(attention_->forward(attention_norm_(x), rows, table), x);
    return attended + feed_forward_->joined(feed_forward_(ffn_norm_(attended)), attended);
  }
  LayerCost cost(const StepTerms& terms, std::int64_t patches, bool flows) const {
    TowerLayerParts parts;
    parts.share = trained_within(terms, *this);
    parts.flows = flows;
    parts.state = terms.block(patches * attention_norm_->weight.size(0));
    parts.norm_before = norm_kept(terms, attention_norm_, patches);
    parts.norm_after = norm_kept(terms, ffn_norm_, patches);
    parts.attention = attention_->cost(terms, patches, flows);
    parts.mlp = feed_forward_->cost(terms, patches, parts.attention.passes);
    return tower_layer_cost(parts);
  }

 private:
  RmsNorm attention_norm_{nullptr}, ffn_norm_{nullptr};
  GatedMlp feed_forward_{nullptr};
  std::shared_ptr<PixtralAttention> attention_;
};

Result<PixtralOptions> read_pixtral_options(const Json& config, const std::string& where) {
  PixtralOptions o;
  LUTHIER_TRY(const std::string type, json_string(config, "model_type", where, "pixtral"));
  if (type != "pixtral")
    return input_error("The vision tower \"" + type + "\" is not known.", where + ": model_type",
                       "Known is pixtral.");
  o.hidden_size = 1024, o.intermediate_size = 4096, o.num_hidden_layers = 24;
  o.num_attention_heads = 16, o.hidden_act = Activation::Gelu;
  o.image_height = o.image_width = config.empty() ? 1540 : 1024;
  o.patch_size = config.empty() ? 14 : 16;
  LUTHIER_CHECK(read_vision_sizes(config, where, o));
  if (o.head_dim() % 4 != 0)
    return input_error(
        "Heads of " + std::to_string(o.head_dim()) + " numbers cannot be turned by row and column.",
        where + ": num_attention_heads",
        "hidden_size / num_attention_heads must be a multiple of 4.");
  LUTHIER_TRY(const std::int64_t turned, json_int(config, "head_dim", where, o.head_dim()));
  if (turned != o.head_dim())
    return input_error("Heads are " + std::to_string(o.head_dim()) + " numbers wide, not " +
                           std::to_string(turned) + ".",
                       where + ": head_dim");
  LUTHIER_TRY(o.theta, json_number(config, "rope_theta", where, o.theta));
  std::string place = where + ": rope_theta";
  if (const auto rope = config.find("rope_parameters"); rope != config.end() && !rope->is_null()) {
    place = where + ": rope_parameters";
    if (!rope->is_object()) return input_error("An object is expected.", place);
    LUTHIER_TRY(const std::string old_kind, json_string(*rope, "type", place, "axial"));
    LUTHIER_TRY(const std::string kind, json_string(*rope, "rope_type", place, old_kind));
    if (kind != "axial" && kind != "default")
      return input_error("The rotary scaling \"" + kind + "\" is not known.", place + ".rope_type",
                         "Known are axial and default, which are the same here.");
    LUTHIER_TRY(o.theta, json_number(*rope, "rope_theta", place, o.theta));
    place += ".rope_theta";
  }
  if (!(o.theta > 0) || !std::isfinite(o.theta))
    return input_error("A number above 0 is expected.", place);
  return o;
}

PixtralTower::PixtralTower(const PixtralOptions& o, const torch::TensorOptions& t)
    : PatchPort({o.hidden_size, o.num_hidden_layers, 0, "",
                 "this tower turns its patches by their rows and columns, which such tokens do not "
                 "have"}),
      options_(o) {
  patch_conv_ = register_module("patch_conv", std::make_shared<FlatPatches>(o, t));
  ln_pre_ = register_module("ln_pre", RmsNorm(o.hidden_size, kPixtralEpsilon, t));
  const auto transformer = register_module("transformer", std::make_shared<Transformer>());
  torch::nn::ModuleList list;
  for (std::int64_t i = 0; i < o.num_hidden_layers; ++i) {
    layers_.push_back(std::make_shared<Layer>(o, t));
    list->push_back(layers_.back());
  }
  transformer->register_module("layers", list);
}

/// [patches, head_dim / 2] float32: of one ladder of frequencies rows take the even ones, columns
/// the odd ones.
Tensor PixtralTower::angles(const ModelInput& input) const {
  const std::int64_t size = options_.head_dim();
  const Tensor exponents =
      torch::arange(0, size, 2, torch::kInt64).to(torch::kFloat32) / static_cast<double>(size);
  const Tensor waves = 1.0 / torch::pow(options_.theta, exponents);
  const Tensor ladder = at::stack({waves.slice(0, 0, size / 2, 2), waves.slice(0, 1, size / 2, 2)});
  return (patch_coordinates(qwen_grids(input.pictures, 1), 1).unsqueeze(2) * ladder).flatten(1);
}

RowLayout PixtralTower::pictures(const ModelInput& input) const {
  return RowLayout(frame_lengths(qwen_grids(input.pictures, 1)));
}

void PixtralTower::prepare(ModelInput& input) const {
  input.aside[kPixtralAngles] = angles(input);
  pictures(input).set_aside(input.aside, kPixtralRows);
}

Tensor PixtralTower::forward(const ModelInput& input, std::int64_t layers) {
  RowLayout rows = pictures(input);
  rows.take_back(input.aside, kPixtralRows);
  const Tensor& pixels = input.pixel_values;
  TORCH_CHECK(pixels.dim() == 2 && pixels.size(0) == rows.tokens() &&
                  pixels.size(1) == options_.patch_values(),
              "the pictures' patches do not fit the tower");
  const auto made = input.aside.find(kPixtralAngles);
  const Tensor turns = made != input.aside.end() ? made->second : angles(input).to(pixels.device());
  Tensor x = ln_pre_(std::static_pointer_cast<FlatPatches>(patch_conv_)->forward(pixels));
  const RotaryTable table = rotary_table(turns, x.scalar_type());
  for (std::int64_t i = 0; i < layers; ++i)
    x = layers_[static_cast<std::size_t>(i)]->forward(x, rows, table);
  return x;
}

TowerCost PixtralTower::cost(const Pass& pass, std::int64_t layers) const {
  const StepTerms& terms = pass.terms;
  const std::int64_t patches = pass.pictures.patches;
  TowerCost cost;
  TrainedShare start = terms.of(*patch_conv_);
  const ProductsCost product = patches_cost(terms, *patch_conv_, pass.pictures.numbers);
  start += terms.of(*ln_pre_);
  const std::int64_t norm = start.trains ? norm_kept(terms, ln_pre_, patches) : 0;
  cost.add_part(terms, start, product.input + product.numbers + norm, product.work);
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const LayerCost layer = layers_[i]->cost(terms, patches, cost.flows);
    if (static_cast<std::int64_t>(i) < layers)
      cost.add_layer(terms, layer);
    else
      cost.unreached += layer.share.parameters;
  }
  // The rotary table stands until the first layer's backward has been.
  if (cost.flows) cost.stages.front().kept += 2 * terms.block(patches * options_.head_dim());
  return cost;
}

}  // namespace luthier
