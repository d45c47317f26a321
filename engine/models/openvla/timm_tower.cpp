// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/openvla/timm_tower.h"

#include <array>
#include <cmath>

#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

/// timm's models by their names, without what stands behind the dot.
struct TimmModel {
  const char* name;
  std::int64_t width, depth, heads, wide, image, patch, registers;
  bool dino;  ///< a class token, registers, learned scales; else SigLIP's pooling
};
constexpr std::array<TimmModel, 5> kTimmModels{
    {{"vit_large_patch14_reg4_dinov2", 1024, 24, 16, 4096, 518, 14, 4, true},
     {"vit_base_patch14_reg4_dinov2", 768, 12, 12, 3072, 518, 14, 4, true},
     {"vit_small_patch14_reg4_dinov2", 384, 12, 6, 1536, 518, 14, 4, true},
     {"vit_so400m_patch14_siglip_224", 1152, 27, 16, 4304, 224, 14, 0, false},
     {"vit_base_patch16_siglip_224", 768, 12, 12, 3072, 224, 16, 0, false}}};

class TimmPart : public torch::nn::Module {};

/// What SigLIP's states are pooled by, held for the file alone.
class TimmPool : public ParameterModule {
 public:
  TimmPool(const TimmTowerOptions& o, const torch::TensorOptions& t) {
    const std::int64_t width = o.hidden_size;
    add_parameter("latent", latent_, {1, 1, width}, t);
    register_module("q", Linear(width, width, true, t));
    register_module("kv", Linear(width, 2 * width, true, t));
    register_module("proj", Linear(width, width, true, t));
    register_module("norm", LayerNorm(width, o.layer_norm_eps, t));
    register_module("mlp", std::make_shared<VisionMlp>(o, t));
  }
  std::string type_name() const override { return "Parameter"; }

 private:
  Tensor latent_;
};

class TimmAttention : public torch::nn::Module, public BranchPort {
 public:
  TimmAttention(const TimmTowerOptions& o, const torch::TensorOptions& t)
      : BranchPort(Kind::Attention, o.hidden_size), heads_(o.num_attention_heads) {
    qkv_ = register_module("qkv", Linear(o.hidden_size, 3 * o.hidden_size, true, t));
    proj_ = register_module("proj", Linear(o.hidden_size, o.hidden_size, true, t));
  }
  Tensor forward(const Tensor& x) const {
    const auto made = qkv_->forward(x).chunk(3, -1);
    return proj_->forward(attend_frames(made[0], made[1], made[2], heads_));
  }
  AttentionBranchCost cost(const StepTerms& terms, std::int64_t rows, bool flows) const {
    const AttentionCost core = attention_cost(terms, unmoved_rows(terms, rows), heads_, heads_,
                                              proj_->in_features() / heads_);
    AttentionBranchCost cost = attention_branch_cost(terms, {qkv_}, proj_, core, 0, rows, flows);
    add_plug(cost, terms, *this, rows);
    return cost;
  }

 private:
  std::int64_t heads_;
  Linear qkv_{nullptr}, proj_{nullptr};
};

class TimmScale : public ParameterModule {
 public:
  TimmScale(std::int64_t width, const torch::TensorOptions& t) {
    add_parameter("scale_factor", scale_, {width}, t);
  }
  std::string type_name() const override { return "Parameter"; }
  Tensor first_value(const std::string&, const at::Generator&) const override {
    return torch::full(scale_.sizes(), 1e-5, torch::kFloat32);
  }
  Tensor scaled(const Tensor& x) const { return x * scale_; }

 private:
  Tensor scale_;
};

}  // namespace

class TimmTower::Layer : public torch::nn::Module {
 public:
  Layer(const TimmTowerOptions& o, const torch::TensorOptions& t) {
    norm1_ = register_module("norm1", LayerNorm(o.hidden_size, o.layer_norm_eps, t));
    attn_ = register_module("attn", std::make_shared<TimmAttention>(o, t));
    if (o.layer_scale) ls1_ = register_module("ls1", std::make_shared<TimmScale>(o.hidden_size, t));
    norm2_ = register_module("norm2", LayerNorm(o.hidden_size, o.layer_norm_eps, t));
    mlp_ = register_module("mlp", std::make_shared<VisionMlp>(o, t));
    if (o.layer_scale) ls2_ = register_module("ls2", std::make_shared<TimmScale>(o.hidden_size, t));
  }
  Tensor forward(const Tensor& x) const {
    const auto scaled = [](const std::shared_ptr<TimmScale>& scale, const Tensor& y) {
      return scale ? scale->scaled(y) : y;
    };
    const Tensor attended = x + attn_->joined(scaled(ls1_, attn_->forward(norm1_->forward(x))), x);
    return attended +
           mlp_->joined(scaled(ls2_, mlp_->forward(norm2_->forward(attended))), attended);
  }
  LayerCost cost(const StepTerms& terms, std::int64_t rows, bool flows) const {
    TowerLayerParts parts;
    parts.share = trained_within(terms, *this);
    parts.flows = flows;
    parts.state = terms.block(rows * norm1_->weight.size(0));
    parts.norm_before = norm_kept(terms, norm1_, rows);
    parts.norm_after = norm_kept(terms, norm2_, rows);
    parts.attention = attn_->cost(terms, rows, flows);
    parts.mlp = mlp_->cost(terms, rows, parts.attention.passes);
    if (ls1_ && terms.of(*ls1_).trains) parts.scales = 2 * parts.state;
    return tower_layer_cost(parts);
  }

 private:
  LayerNorm norm1_{nullptr}, norm2_{nullptr};
  std::shared_ptr<TimmAttention> attn_;
  std::shared_ptr<VisionMlp> mlp_;
  std::shared_ptr<TimmScale> ls1_, ls2_;
};

TimmTower::TimmTower(const TimmTowerOptions& o, const torch::TensorOptions& t) : options(o) {
  if (o.class_token) add_parameter("cls_token", class_token_, {1, 1, o.hidden_size}, t);
  if (o.registers > 0) add_parameter("reg_token", registers_, {1, o.registers, o.hidden_size}, t);
  add_parameter("pos_embed", positions_, {1, o.patches(), o.hidden_size}, t);
  patches_ = register_module("patch_embed", std::make_shared<TimmPart>())
                 ->register_module("proj", std::make_shared<PatchConvolution>(o, true, t));
  torch::nn::ModuleList blocks;
  for (std::int64_t i = 0; i < o.num_hidden_layers; ++i) {
    layers_.push_back(std::make_shared<Layer>(o, t));
    blocks->push_back(layers_.back());
  }
  register_module("blocks", blocks);
  register_module("norm", LayerNorm(o.hidden_size, o.layer_norm_eps, t));
  if (o.attention_pool) register_module("attn_pool", std::make_shared<TimmPool>(o, t));
}

Tensor TimmTower::forward(const Tensor& pixels) {
  Tensor x = patches_->forward(pixels) + positions_;
  const auto each = [&](const Tensor& token) { return token.expand({x.size(0), -1, -1}); };
  std::vector<Tensor> parts;
  if (class_token_.defined()) parts.push_back(each(class_token_));
  if (registers_.defined()) parts.push_back(each(registers_));
  parts.push_back(x);
  if (parts.size() > 1) x = at::cat(parts, 1);
  for (std::int64_t i = 0; i < options.layers_run(); ++i)
    x = layers_[static_cast<std::size_t>(i)]->forward(x);
  return x.slice(1, options.prefix());
}

TowerCost TimmTower::cost(const Pass& pass) const {
  const StepTerms& terms = pass.terms;
  const std::int64_t rows = pass.pictures.frames * options.tokens();
  TowerCost cost;
  const ProductsCost product = patches_cost(
      terms, *patches_, 3 * pass.pictures.frames * options.image_height * options.image_width);
  TrainedShare entry = trained_within(terms, *patches_);
  const TrainedShare own = terms.of(*this);
  entry.trains = entry.trains || own.trains;
  entry.parameters += own.parameters;
  cost.add_part(terms, entry, product.input + product.numbers, product.work);
  for (std::int64_t i = 0; i < options.num_hidden_layers; ++i) {
    const Layer& layer = *layers_[static_cast<std::size_t>(i)];
    if (i < options.layers_run())
      cost.add_layer(terms, layer.cost(terms, rows, cost.flows));
    else
      cost.unreached += trained_within(terms, layer).parameters;
  }
  for (const auto& child : named_children()) {
    if (child.key() == "norm" || child.key() == "attn_pool")
      cost.unreached += trained_within(terms, *child.value()).parameters;
  }
  return cost;
}

Result<TimmTowerOptions> read_timm_tower(const std::string& model, const Json& config,
                                         const std::string& where) {
  const std::string name = model.substr(0, model.find('.'));
  const TimmModel* known = nullptr;
  std::string names;
  for (const TimmModel& each : kTimmModels) {
    if (name == each.name) known = &each;
    names += (names.empty() ? "" : ", ") + std::string(each.name);
  }
  if (!known)
    return input_error("The tower \"" + model + "\" is none that Luthier can load.", where,
                       "It loads: " + names + ".");
  TimmTowerOptions o;
  o.class_token = o.layer_scale = known->dino;
  o.attention_pool = !known->dino;
  o.layer_norm_eps = 1e-6;
  o.hidden_act = Activation::Gelu;
  const auto read = [&](const char* key, std::int64_t fallback, std::int64_t lowest,
                        std::int64_t highest) -> Result<std::int64_t> {
    LUTHIER_TRY(const std::int64_t value, json_int(config, key, where, fallback));
    if (value >= lowest && value <= highest) return value;
    return input_error(std::to_string(value) + " is not from " + std::to_string(lowest) + " to " +
                           std::to_string(highest) + ".",
                       where + ": " + key);
  };
  LUTHIER_TRY(o.hidden_size, read("embed_dim", known->width, 1, 1 << 16));
  LUTHIER_TRY(o.num_hidden_layers, read("depth", known->depth, 2, 4096));
  LUTHIER_TRY(o.num_attention_heads, read("num_heads", known->heads, 1, 4096));
  LUTHIER_TRY(o.patch_size, read("patch_size", known->patch, 1, 4096));
  LUTHIER_TRY(o.image_height, read("img_size", known->image, 1, 16384));
  LUTHIER_TRY(o.registers, read("reg_tokens", known->registers, 0, 4096));
  const double ratio = static_cast<double>(known->wide) / static_cast<double>(known->width);
  LUTHIER_TRY(const double wide, json_number(config, "mlp_ratio", where, ratio));
  o.image_width = o.image_height;
  if (!(wide > 0 && wide <= 64) || static_cast<double>(o.hidden_size) * wide < 1)
    return input_error("The MLP's width is no multiple of the layers'.", where + ": mlp_ratio");
  o.intermediate_size = static_cast<std::int64_t>(static_cast<double>(o.hidden_size) * wide + 1e-6);
  if (o.hidden_size % o.num_attention_heads != 0)
    return input_error("embed_dim is not a multiple of num_heads.", where + ": num_heads");
  if (o.image_height < o.patch_size)
    return input_error("A picture is smaller than a patch.", where + ": img_size");
  return o;
}

}  // namespace luthier
