// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/internvl/internvl_tower.h"

#include "engine/nn/bicubic.h"
#include "engine/nn/module_cost.h"
#include "engine/nn/side_by_side.h"

namespace luthier {

using torch::Tensor;

namespace {

/// InternVLVisionRMSNorm over queries and keys has this epsilon, whatever the layers' norms have.
constexpr double kQueryKeyEpsilon = 1e-6;

class InternVLAttention : public torch::nn::Module, public BranchPort {
 public:
  InternVLAttention(const InternVLTowerOptions& o, const torch::TensorOptions& t)
      : BranchPort(Kind::Attention, o.hidden_size), heads_(o.num_attention_heads) {
    const std::int64_t width = o.hidden_size;
    const auto made = neighbouring_linears(width, {width, width, width}, o.attention_bias, t);
    q_proj_ = register_module("q_proj", made[0]);
    k_proj_ = register_module("k_proj", made[1]);
    v_proj_ = register_module("v_proj", made[2]);
    projection_layer_ = register_module("projection_layer", Linear(width, width, true, t));
    if (!o.qk_norm) return;
    q_norm_ = register_module("q_norm", RmsNorm(width, kQueryKeyEpsilon, t));
    k_norm_ = register_module("k_norm", RmsNorm(width, kQueryKeyEpsilon, t));
  }
  Tensor forward(const Tensor& x) {
    const auto made = side_by_side(x, {q_proj_.get(), k_proj_.get(), v_proj_.get()});
    const Tensor q = q_norm_ ? q_norm_(made[0]) : made[0], k = q_norm_ ? k_norm_(made[1]) : made[1];
    return projection_layer_(attend_frames(q, k, made[2], heads_));
  }
  AttentionBranchCost cost(const StepTerms& terms, std::int64_t rows, bool flows) const {
    const AttentionCost core = attention_cost(terms, unmoved_rows(terms, rows), heads_, heads_,
                                              q_proj_->out_features() / heads_);
    const std::int64_t norms =
        q_norm_ ? norm_kept(terms, q_norm_, rows) + norm_kept(terms, k_norm_, rows) : 0;
    AttentionBranchCost cost = attention_branch_cost(terms, {q_proj_, k_proj_, v_proj_},
                                                     projection_layer_, core, norms, rows, flows);
    add_plug(cost, terms, *this, rows);
    return cost;
  }

 private:
  std::int64_t heads_;
  Linear q_proj_{nullptr}, k_proj_{nullptr}, v_proj_{nullptr}, projection_layer_{nullptr};
  RmsNorm q_norm_{nullptr}, k_norm_{nullptr};
};

class PatchEmbeddings : public torch::nn::Module {
 public:
  PatchEmbeddings(const InternVLTowerOptions& o, const torch::TensorOptions& t) {
    projection =
        register_module("projection", std::make_shared<PatchConvolution>(o, /*bias=*/true, t));
  }
  std::shared_ptr<PatchConvolution> projection;
};

class TowerEncoder : public torch::nn::Module {};

}  // namespace

class InternVLTowerImpl::Embeddings : public ParameterModule {
 public:
  Embeddings(const InternVLTowerOptions& o, const torch::TensorOptions& t)
      : patch_size_(o.patch_size), side_(o.patch_rows()) {
    add_parameter("cls_token", cls_token_, {1, 1, o.hidden_size}, t);
    if (o.mask_token) add_parameter("mask_token", mask_token_, {1, 1, o.hidden_size}, t);
    patch_embeddings_ =
        register_module("patch_embeddings", std::make_shared<PatchEmbeddings>(o, t));
    if (o.absolute_positions)
      add_parameter("position_embeddings", position_embeddings_,
                    {1, o.patches() + 1, o.hidden_size}, t);
  }
  Tensor forward(const Tensor& pixels) const {
    const Tensor patches = patch_embeddings_->projection->forward(pixels);
    const Tensor x = at::cat({cls_token_.expand({patches.size(0), 1, -1}), patches},
                             1);  // [frames, 1 + patches, hidden]
    return position_embeddings_.defined() ? x + positions(pixels.size(2), pixels.size(3)) : x;
  }
  /// The patches' product alone keeps something.
  ProductsCost patches(const StepTerms& terms, std::int64_t pixels) const {
    return patches_cost(terms, *patch_embeddings_->projection, pixels);
  }
  std::string type_name() const override { return "Parameter"; }

 private:
  /// The table, its square of patches stretched to the frame's size.
  Tensor positions(std::int64_t height, std::int64_t width) const {
    const std::int64_t rows = height / patch_size_, columns = width / patch_size_;
    if (height == width && rows * columns == side_ * side_) return position_embeddings_;
    const Tensor square =
        position_embeddings_.slice(1, 1).unflatten(1, {side_, side_}).permute({0, 3, 1, 2});
    const Tensor stretched = stretch_bicubic(square, rows, columns);
    return at::cat(
        {position_embeddings_.slice(1, 0, 1), stretched.permute({0, 2, 3, 1}).flatten(1, 2)}, 1);
  }

  std::int64_t patch_size_, side_;
  Tensor cls_token_, mask_token_, position_embeddings_;
  std::shared_ptr<PatchEmbeddings> patch_embeddings_;
};

class InternVLTowerImpl::Layer : public ParameterModule {
 public:
  Layer(const InternVLTowerOptions& o, const torch::TensorOptions& t) {
    attention_ = register_module("attention", std::make_shared<InternVLAttention>(o, t));
    mlp_ = register_module("mlp", std::make_shared<VisionMlp>(o, t));
    if (o.rms_norm) {
      rms_before_ =
          register_module("layernorm_before", RmsNorm(o.hidden_size, o.layer_norm_eps, t));
      rms_after_ = register_module("layernorm_after", RmsNorm(o.hidden_size, o.layer_norm_eps, t));
    } else {
      before_ = register_module("layernorm_before", LayerNorm(o.hidden_size, o.layer_norm_eps, t));
      after_ = register_module("layernorm_after", LayerNorm(o.hidden_size, o.layer_norm_eps, t));
    }
    add_parameter("lambda_1", lambda_1_, {o.hidden_size}, t);
    add_parameter("lambda_2", lambda_2_, {o.hidden_size}, t);
  }
  Tensor forward(const Tensor& x) {
    const Tensor mixed = lambda_1_ * attention_->forward(before_ ? before_(x) : rms_before_(x));
    const Tensor attended = x + attention_->joined(mixed, x);
    const Tensor fed = lambda_2_ * mlp_->forward(after_ ? after_(attended) : rms_after_(attended));
    return attended + mlp_->joined(fed, attended);
  }
  LayerCost cost(const StepTerms& terms, std::int64_t rows, bool flows) const {
    TowerLayerParts parts;
    parts.share = trained_within(terms, *this);
    parts.flows = flows;
    parts.state = terms.block(rows * lambda_1_.size(0));
    parts.norm_before =
        before_ ? norm_kept(terms, before_, rows) : norm_kept(terms, rms_before_, rows);
    parts.norm_after = after_ ? norm_kept(terms, after_, rows) : norm_kept(terms, rms_after_, rows);
    parts.attention = attention_->cost(terms, rows, flows);
    parts.mlp = mlp_->cost(terms, rows, parts.attention.passes);
    if (terms.of(*this).trains) parts.scales = 2 * parts.state;
    return tower_layer_cost(parts);
  }
  std::string type_name() const override { return "Parameter"; }

 private:
  std::shared_ptr<InternVLAttention> attention_;
  std::shared_ptr<VisionMlp> mlp_;
  LayerNorm before_{nullptr}, after_{nullptr};
  RmsNorm rms_before_{nullptr}, rms_after_{nullptr};
  Tensor lambda_1_, lambda_2_;
};

Result<InternVLTowerOptions> read_internvl_tower_options(const Json& config,
                                                         const std::string& where) {
  InternVLTowerOptions o;
  o.hidden_size = 1024;
  o.intermediate_size = 4096;
  o.num_hidden_layers = 24;
  o.num_attention_heads = 16;
  o.image_height = o.image_width = 448;
  o.patch_size = 14;
  o.layer_norm_eps = 1e-6;
  o.hidden_act = Activation::Gelu;
  LUTHIER_CHECK(read_vision_sizes(config, where, o));
  if (o.image_height != o.image_width)
    return input_error("The tower's picture must be square.", where + ": image_size");
  LUTHIER_TRY(o.attention_bias, json_bool(config, "attention_bias", where, false));
  LUTHIER_TRY(o.qk_norm, json_bool(config, "use_qk_norm", where, false));
  LUTHIER_TRY(o.absolute_positions,
              json_bool(config, "use_absolute_position_embeddings", where, true));
  LUTHIER_TRY(o.mask_token, json_bool(config, "use_mask_token", where, false));
  LUTHIER_TRY(const bool mean_pooling, json_bool(config, "use_mean_pooling", where, true));
  o.final_norm = !mean_pooling;
  LUTHIER_TRY(const std::string norm, json_string(config, "norm_type", where, "layer_norm"));
  if (norm != "layer_norm" && norm != "rms_norm") {
    return input_error("\"" + norm + "\" is not known.", where + ": norm_type",
                       "Known are layer_norm and rms_norm.");
  }
  o.rms_norm = norm == "rms_norm";
  return o;
}

InternVLTowerImpl::InternVLTowerImpl(const InternVLTowerOptions& o, const torch::TensorOptions& t)
    : PatchPort({o.hidden_size, o.num_hidden_layers, o.num_channels * o.patch_size * o.patch_size,
                 "embeddings"}),
      options(o) {
  embeddings_ = register_module("embeddings", std::make_shared<Embeddings>(o, t));
  auto encoder = register_module("encoder", std::make_shared<TowerEncoder>());
  torch::nn::ModuleList list;
  for (std::int64_t i = 0; i < o.num_hidden_layers; ++i) {
    layers_.push_back(std::make_shared<Layer>(o, t));
    list->push_back(layers_.back());
  }
  encoder->register_module("layer", list);
  if (o.final_norm)
    norm_ = register_module("layernorm", LayerNorm(o.hidden_size, o.layer_norm_eps, t));
}

Tensor InternVLTowerImpl::forward(const Tensor& pixel_values, std::int64_t layers, bool normed) {
  Tensor x = embeddings_->forward(pixel_values);
  for (std::int64_t i = 0; i < layers; ++i)
    x = layers_.at(static_cast<std::size_t>(i))->forward(with_tokens(x, i));
  if (layers > 0) x = without_tokens(x);
  return normed && norm_ ? norm_(x) : x;
}

TowerCost InternVLTowerImpl::cost(const Pass& pass, std::int64_t patches, std::int64_t layers,
                                  bool normed) const {
  const StepTerms& terms = pass.terms;
  TowerCost cost;
  const ProductsCost product = embeddings_->patches(terms, pass.pictures.numbers);
  cost.add_part(terms, trained_within(terms, *embeddings_), product.input + product.numbers,
                product.work);
  const auto running = static_cast<std::size_t>(layers);
  // Tokens that a plug puts before each frame's (methods/visual_prompts).
  patches += pass.pictures.frames * (terms.of(*embeddings_).row_numbers / options.hidden_size);
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    if (i < running)
      cost.add_layer(terms, layers_[i]->cost(terms, patches, cost.flows));
    else
      cost.unreached += trained_within(terms, *layers_[i]).parameters;
  }
  if (!norm_) return cost;
  const TrainedShare last = terms.of(*norm_);
  if (normed && (cost.flows || last.trains))
    cost.add_part(terms, last, norm_kept(terms, norm_, patches));
  else if (!normed)
    cost.unreached += last.parameters;
  return cost;
}

}  // namespace luthier
