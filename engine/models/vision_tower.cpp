// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/vision_tower.h"

#include <algorithm>

#include "engine/nn/attention.h"
#include "engine/nn/products.h"

namespace luthier {

using torch::Tensor;

namespace {

Status positive(std::int64_t value, std::int64_t high, const std::string& where, const char* key) {
  if (value >= 1 && value <= high) return {};
  return input_error(std::string(key) + " is " + std::to_string(value) + ", expected 1 to " + std::to_string(high) + ".", where + ": " + key,
                     "The checkpoint's configuration is damaged or not of this kind.");
}

/// An integer, or a list [height, width].
Result<std::pair<std::int64_t, std::int64_t>> read_size(const Json& config, const char* key, const std::string& where, std::int64_t fallback) {
  const auto found = config.find(key);
  if (found != config.end() && found->is_array()) {
    if (found->size() != 2 || !(*found)[0].is_number_integer() || !(*found)[1].is_number_integer()) {
      return input_error("A number or a list of height and width is expected.", where + ": " + key);
    }
    return std::pair{(*found)[0].get<std::int64_t>(), (*found)[1].get<std::int64_t>()};
  }
  LUTHIER_TRY(std::int64_t side, json_int(config, key, where, fallback));
  return std::pair{side, side};
}

class PatchConvolution : public ParameterModule {
 public:
  PatchConvolution(const VisionTowerOptions& o, const torch::TensorOptions& tensors) : stride_(o.patch_size) {
    add_parameter("weight", weight_, {o.hidden_size, o.num_channels, o.patch_size, o.patch_size}, tensors);
    if (o.patch_bias) add_parameter("bias", bias_, {o.hidden_size}, tensors);
  }
  /// [images, channels, height, width] → [images, patches, hidden]: patches do not overlap, so the convolution is one product.
  Tensor forward(const Tensor& pixels) const {
    const std::int64_t p = stride_, images = pixels.size(0), channels = pixels.size(1);
    const std::int64_t rows = pixels.size(2) / p, columns = pixels.size(3) / p;
    const Tensor patches = pixels.slice(2, 0, rows * p).slice(3, 0, columns * p)
                               .view({images, channels, rows, p, columns, p}).permute({0, 2, 4, 1, 3, 5})
                               .reshape({images, rows * columns, channels * p * p});
    return linear_product(patches, weight_.flatten(1), bias_);
  }
  std::string type_name() const override { return "Conv2d"; }
  torch::ScalarType dtype() const { return weight_.scalar_type(); }

 private:
  std::int64_t stride_;
  Tensor weight_, bias_;
};

class VisionAttention : public torch::nn::Module {
 public:
  VisionAttention(const VisionTowerOptions& o, const torch::TensorOptions& t) : heads_(o.num_attention_heads), size_(o.hidden_size / o.num_attention_heads) {
    k_proj_ = register_module("k_proj", Linear(o.hidden_size, o.hidden_size, true, t));
    v_proj_ = register_module("v_proj", Linear(o.hidden_size, o.hidden_size, true, t));
    q_proj_ = register_module("q_proj", Linear(o.hidden_size, o.hidden_size, true, t));
    out_proj_ = register_module("out_proj", Linear(o.hidden_size, o.hidden_size, true, t));
  }
  Tensor forward(const Tensor& x) {
    const std::int64_t images = x.size(0), tokens = x.size(1);
    const RowLayout rows(std::vector<std::int64_t>(static_cast<std::size_t>(images), tokens));
    const auto split = [&](const Tensor& y) { return y.view({images * tokens, heads_, size_}); };
    const Tensor mixed = attend(split(q_proj_(x)), split(k_proj_(x)), split(v_proj_(x)), rows, {false, {}, 0, 0});
    return out_proj_(mixed).view(x.sizes());
  }

 private:
  std::int64_t heads_, size_;
  Linear k_proj_{nullptr}, v_proj_{nullptr}, q_proj_{nullptr}, out_proj_{nullptr};
};

class VisionMlp : public torch::nn::Module {
 public:
  VisionMlp(const VisionTowerOptions& o, const torch::TensorOptions& t) : activation_(o.hidden_act) {
    fc1_ = register_module("fc1", Linear(o.hidden_size, o.intermediate_size, true, t));
    fc2_ = register_module("fc2", Linear(o.intermediate_size, o.hidden_size, true, t));
  }
  Tensor forward(const Tensor& x) { return fc2_(activate(fc1_(x), activation_)); }

 private:
  Activation activation_;
  Linear fc1_{nullptr}, fc2_{nullptr};
};

/// torch's MultiheadAttention as SigLIP's pooling head holds it; language models read no pooled output, the tensors are kept for the file.
class PooledAttention : public ParameterModule {
 public:
  PooledAttention(std::int64_t size, const torch::TensorOptions& t) {
    add_parameter("in_proj_weight", in_proj_weight_, {3 * size, size}, t);
    add_parameter("in_proj_bias", in_proj_bias_, {3 * size}, t);
    out_proj_ = register_module("out_proj", Linear(size, size, true, t));
  }
  std::string type_name() const override { return "Parameter"; }

 private:
  Tensor in_proj_weight_, in_proj_bias_;
  Linear out_proj_{nullptr};
};

class PoolingHead : public ParameterModule {
 public:
  PoolingHead(const VisionTowerOptions& o, const torch::TensorOptions& t) {
    add_parameter("probe", probe_, {1, 1, o.hidden_size}, t);
    register_module("attention", std::make_shared<PooledAttention>(o.hidden_size, t));
    register_module("layernorm", LayerNorm(o.hidden_size, o.layer_norm_eps, t));
    register_module("mlp", std::make_shared<VisionMlp>(o, t));
  }
  std::string type_name() const override { return "Parameter"; }

 private:
  Tensor probe_;
};

class VisionEncoder : public torch::nn::Module {};

}  // namespace

class VisionTowerImpl::Embeddings : public ParameterModule {
 public:
  Embeddings(const VisionTowerOptions& o, const torch::TensorOptions& t) {
    if (o.class_embedding) add_parameter("class_embedding", class_embedding_, {o.hidden_size}, t);
    patch_embedding_ = register_module("patch_embedding", std::make_shared<PatchConvolution>(o, t));
    position_embedding_ = register_module("position_embedding", Embedding(o.tokens(), o.hidden_size, t));
  }
  Tensor forward(const Tensor& pixels) const {
    Tensor x = patch_embedding_->forward(pixels.to(patch_embedding_->dtype()));   // [images, patches, hidden]
    if (class_embedding_.defined()) x = at::cat({class_embedding_.expand({x.size(0), 1, -1}), x}, 1);
    return x + position_embedding_->weight.unsqueeze(0);
  }
  std::string type_name() const override { return "Parameter"; }

 private:
  Tensor class_embedding_;
  std::shared_ptr<PatchConvolution> patch_embedding_;
  Embedding position_embedding_{nullptr};
};

class VisionTowerImpl::Layer : public torch::nn::Module {
 public:
  Layer(const VisionTowerOptions& o, const torch::TensorOptions& t) {
    self_attn_ = register_module("self_attn", std::make_shared<VisionAttention>(o, t));
    layer_norm1_ = register_module("layer_norm1", LayerNorm(o.hidden_size, o.layer_norm_eps, t));
    mlp_ = register_module("mlp", std::make_shared<VisionMlp>(o, t));
    layer_norm2_ = register_module("layer_norm2", LayerNorm(o.hidden_size, o.layer_norm_eps, t));
  }
  Tensor forward(const Tensor& x) {
    const Tensor attended = x + self_attn_->forward(layer_norm1_(x));
    return attended + mlp_->forward(layer_norm2_(attended));
  }

 private:
  std::shared_ptr<VisionAttention> self_attn_;
  std::shared_ptr<VisionMlp> mlp_;
  LayerNorm layer_norm1_{nullptr}, layer_norm2_{nullptr};
};

Result<VisionTowerOptions> read_vision_tower_options(const Json& config, const std::string& where) {
  VisionTowerOptions o;
  LUTHIER_TRY(std::string type, json_string(config, "model_type", where, "clip_vision_model"));
  const bool siglip = type == "siglip_vision_model";
  if (!siglip && type != "clip_vision_model") {
    return input_error("The vision tower \"" + type + "\" is not known.", where + ": model_type", "Known are clip_vision_model and siglip_vision_model.");
  }
  o.class_embedding = o.pre_norm = !siglip;
  o.patch_bias = siglip;
  LUTHIER_TRY(o.pooling_head, json_bool(config, "vision_use_head", where, siglip));
  if (!siglip) o.pooling_head = false;
  LUTHIER_TRY(o.hidden_size, json_int(config, "hidden_size", where, 768));
  LUTHIER_TRY(o.intermediate_size, json_int(config, "intermediate_size", where, 3072));
  LUTHIER_TRY(o.num_hidden_layers, json_int(config, "num_hidden_layers", where, 12));
  LUTHIER_TRY(o.num_attention_heads, json_int(config, "num_attention_heads", where, 12));
  LUTHIER_TRY(o.num_channels, json_int(config, "num_channels", where, 3));
  LUTHIER_TRY(auto image, read_size(config, "image_size", where, 224));
  LUTHIER_TRY(auto patch, read_size(config, "patch_size", where, siglip ? 16 : 32));
  std::tie(o.image_height, o.image_width) = image;
  if (patch.first != patch.second) return input_error("Patches must be square.", where + ": patch_size");
  o.patch_size = patch.first;
  LUTHIER_TRY(o.layer_norm_eps, json_number(config, "layer_norm_eps", where, siglip ? 1e-6 : 1e-5));
  LUTHIER_TRY(o.initializer_range, json_number(config, "initializer_range", where, 0.02));
  LUTHIER_TRY(std::string act, json_string(config, "hidden_act", where, siglip ? "gelu_pytorch_tanh" : "quick_gelu"));
  LUTHIER_TRY(o.hidden_act, parse_activation(act, where + ": hidden_act"));
  LUTHIER_CHECK(positive(o.hidden_size, 1 << 20, where, "hidden_size"));
  LUTHIER_CHECK(positive(o.intermediate_size, 1 << 22, where, "intermediate_size"));
  LUTHIER_CHECK(positive(o.num_hidden_layers, 4096, where, "num_hidden_layers"));
  LUTHIER_CHECK(positive(o.num_attention_heads, 1 << 16, where, "num_attention_heads"));
  LUTHIER_CHECK(positive(o.patch_size, 1 << 12, where, "patch_size"));
  LUTHIER_CHECK(positive(o.image_height, 1 << 14, where, "image_size"));
  LUTHIER_CHECK(positive(o.image_width, 1 << 14, where, "image_size"));
  if (o.num_channels != 3) return input_error("Pictures have 3 channels.", where + ": num_channels");
  if (o.image_height < o.patch_size || o.image_width < o.patch_size) return input_error("The picture is smaller than one patch.", where + ": image_size");
  if (o.hidden_size % o.num_attention_heads != 0) {
    return input_error("hidden_size is not a multiple of num_attention_heads.", where + ": num_attention_heads");
  }
  return o;
}

VisionTowerImpl::VisionTowerImpl(const VisionTowerOptions& o, const torch::TensorOptions& t) : options(o) {
  embeddings_ = register_module("embeddings", std::make_shared<Embeddings>(o, t));
  if (o.pre_norm) pre_norm_ = register_module("pre_layrnorm", LayerNorm(o.hidden_size, o.layer_norm_eps, t));
  auto encoder = register_module("encoder", std::make_shared<VisionEncoder>());
  torch::nn::ModuleList list;
  for (std::int64_t i = 0; i < o.num_hidden_layers; ++i) {
    layers_.push_back(std::make_shared<Layer>(o, t));
    list->push_back(layers_.back());
  }
  encoder->register_module("layers", list);
  post_norm_ = register_module("post_layernorm", LayerNorm(o.hidden_size, o.layer_norm_eps, t));
  if (o.pooling_head) register_module("head", std::make_shared<PoolingHead>(o, t));
}

std::vector<Tensor> VisionTowerImpl::forward(const Tensor& pixel_values, const std::vector<std::int64_t>& which) {
  TORCH_CHECK(pixel_values.dim() == 4 && pixel_values.size(2) == options.image_height && pixel_values.size(3) == options.image_width,
              "the picture's size does not fit the tower");
  const std::int64_t states = options.num_hidden_layers + 1;
  std::vector<std::int64_t> indices;
  for (const std::int64_t index : which) indices.push_back(index < 0 ? index + states : index);
  const std::int64_t last = *std::max_element(indices.begin(), indices.end());

  std::vector<Tensor> chosen(indices.size());
  Tensor x = embeddings_->forward(pixel_values);
  if (options.pre_norm) x = pre_norm_(x);
  for (std::int64_t state = 0;; ++state) {
    for (std::size_t i = 0; i < indices.size(); ++i) {
      if (indices[i] == state) chosen[i] = x;
    }
    if (state == last) return chosen;
    x = layers_.at(static_cast<std::size_t>(state))->forward(x);
  }
}

Tensor VisionTowerImpl::last_hidden_state(const Tensor& pixel_values) { return post_norm_(forward(pixel_values, {-1}).front()); }

Tensor selected_features(VisionTower& tower, const Tensor& pixel_values, const std::vector<std::int64_t>& which, bool drop_first) {
  std::vector<Tensor> states = tower->forward(pixel_values, which);
  for (Tensor& state : states) {
    if (drop_first) state = state.slice(1, 1);
  }
  return states.size() == 1 ? states[0] : at::cat(states, -1);
}

}  // namespace luthier
