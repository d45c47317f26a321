// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/vit/picture_transformer.h"

#include "engine/models/config_numbers.h"
#include "engine/nn/bicubic.h"
#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

class BodyPart : public torch::nn::Module {};

}  // namespace

class PictureTransformer::Embeddings : public ParameterModule {
 public:
  Embeddings(const PictureTransformerOptions& o, const torch::TensorOptions& t)
      : any_size(o.any_size), options_(o) {
    add_parameter("cls_token", class_token_, {1, 1, o.hidden_size}, t);
    const std::vector<std::int64_t> of_one = o.dinov2
                                                 ? std::vector<std::int64_t>{1, o.hidden_size}
                                                 : std::vector<std::int64_t>{1, 1, o.hidden_size};
    if (o.mask_token) add_parameter("mask_token", mask_token_, of_one, t);
    if (o.registers > 0)
      add_parameter("register_tokens", registers_, {1, o.registers, o.hidden_size}, t);
    add_parameter("position_embeddings", positions_, {1, o.patches() + 1, o.hidden_size}, t);
    patches_ = register_module("patch_embeddings", std::make_shared<BodyPart>())
                   ->register_module("projection", std::make_shared<PatchConvolution>(o, true, t));
  }
  std::string type_name() const override { return "Parameter"; }

  Tensor forward(const Tensor& pixels, const Tensor& covered) const {
    const std::int64_t pictures = pixels.size(0);
    Tensor patches = patches_->forward(pixels);
    if (covered.defined())
      patches = at::where(covered.unsqueeze(2), mask_token_.view({1, 1, -1}), patches);
    const Tensor placed =
        at::cat({class_token_.expand({pictures, -1, -1}), patches}, 1) + positions(pixels);
    if (!registers_.defined()) return placed;
    return at::cat(
        {placed.slice(1, 0, 1), registers_.expand({pictures, -1, -1}), placed.slice(1, 1)}, 1);
  }
  ProductsCost patches(const StepTerms& terms, std::int64_t numbers) const {
    return patches_cost(terms, *patches_, numbers);
  }
  /// Of what it holds itself, numbers that no gradient reaches.
  std::int64_t unreached(const StepTerms& terms) const {
    return mask_token_.defined() && terms.of(*this).whole ? mask_token_.numel() : 0;
  }
  bool any_size;  ///< positions are stretched to the frame's patches

  Tensor first_value(const std::string& name, const at::Generator& generator) const override {
    if (name == "mask_token") return torch::zeros(mask_token_.sizes(), torch::kFloat32);
    if (name == "register_tokens") return torch::zeros(registers_.sizes(), torch::kFloat32);
    return ParameterModule::first_value(name, generator);
  }

 private:
  /// [1, 1 + patches, hidden]
  Tensor positions(const Tensor& pixels) const {
    const std::int64_t rows = pixels.size(2) / options_.patch_size,
                       columns = pixels.size(3) / options_.patch_size;
    const bool fits = rows * columns == options_.patches() && pixels.size(2) == pixels.size(3);
    if (!any_size || fits) return positions_;
    const std::int64_t side = options_.patch_rows(), width = options_.hidden_size;
    const Tensor grid = positions_.slice(1, 1)
                            .reshape({1, side, side, width})
                            .permute({0, 3, 1, 2})
                            .to(torch::kFloat32);
    const Tensor stretched =
        options_.smooth_stretch
            ? at::_upsample_bicubic2d_aa(grid, {rows, columns}, /*align_corners=*/false)
            : stretch_bicubic(grid, rows, columns);
    return at::cat({positions_.slice(1, 0, 1), stretched.to(positions_.scalar_type())
                                                   .permute({0, 2, 3, 1})
                                                   .reshape({1, rows * columns, width})},
                   1);
  }

  const PictureTransformerOptions options_;
  Tensor class_token_, mask_token_, registers_, positions_;
  std::shared_ptr<PatchConvolution> patches_;
};

PictureTransformer::PictureTransformer(const PictureTransformerOptions& o,
                                       const torch::TensorOptions& t)
    : options(o), any_size_(o.any_size) {
  embeddings_ = register_module("embeddings", std::make_shared<Embeddings>(o, t));
  torch::nn::ModuleList list;
  for (std::int64_t i = 0; i < o.num_hidden_layers; ++i) {
    layers_.push_back(std::make_shared<PictureLayer>(o, t));
    list->push_back(layers_.back());
  }
  if (o.dinov2)
    register_module("encoder", std::make_shared<BodyPart>())->register_module("layer", list);
  else
    register_module("layers", list);
  norm_ = register_module("layernorm", LayerNorm(o.hidden_size, o.layer_norm_eps, t));
}

Tensor PictureTransformer::states(const Tensor& pixels, const Tensor& covered) {
  TORCH_CHECK(pixels.dim() == 4 && (any_size_ || (pixels.size(2) == options.image_height &&
                                                  pixels.size(3) == options.image_width)),
              "the picture's size does not fit the model");
  Tensor x = embeddings_->forward(pixels, covered);
  for (const auto& layer : layers_) x = layer->forward(x);
  return norm_(x);
}

void PictureTransformer::stretch_positions() { embeddings_->any_size = any_size_ = true; }

Tensor PictureTransformer::vectors(const Tensor& pixels) {
  const Tensor all = states(pixels);
  const Tensor first = all.select(1, 0);
  if (!options.mean_beside) return first.clone();  // without the states of all patches
  return at::cat({first, all.slice(1, 1 + options.registers).mean(1)}, 1);
}

PictureStates PictureTransformer::states_of(const Tensor& pixels) {
  const Tensor last = states(pixels);
  // DINOv2's is the first token's state as it is.
  return {last, options.mean_beside ? last.select(1, 0) : Tensor()};
}

TowerCost PictureTransformer::cost(const Pass& pass) const {
  const StepTerms& terms = pass.terms;
  const std::int64_t frames = pass.pictures.frames, side = options.patch_size;
  // A frame of another size than the table's has other patches.
  const std::int64_t patches = options.any_size && frames > 0
                                   ? pass.pictures.numbers / (options.num_channels * side * side)
                                   : frames * options.patches();
  const std::int64_t rows = patches + frames * (1 + options.registers);
  TowerCost cost;
  TrainedShare start = trained_within(terms, *embeddings_);
  const std::int64_t unreached = embeddings_->unreached(terms);
  start.parameters -= unreached;
  cost.unreached += unreached;
  const ProductsCost product = embeddings_->patches(terms, pass.pictures.numbers);
  cost.add_part(terms, start, product.input + product.numbers, product.work);
  for (const auto& layer : layers_) cost.add_layer(terms, layer->cost(terms, rows, cost.flows));
  const TrainedShare last = terms.of(*norm_);
  if (cost.flows || last.trains) cost.add_part(terms, last, norm_kept(terms, norm_, rows));
  return cost;
}

ModelGeometry PictureTransformer::geometry() const {
  ModelGeometry g;
  g.vocab_size = 1, g.hidden_size = options.hidden_size;
  g.num_hidden_layers = options.num_hidden_layers;
  g.num_attention_heads = g.num_key_value_heads = options.num_attention_heads;
  g.head_dim = options.hidden_size / options.num_attention_heads;
  g.vision_hidden_size = options.hidden_size, g.vision_layers = options.num_hidden_layers;
  g.vision_heads = options.num_attention_heads;
  g.vision_tokens = options.patches() + 1 + options.registers;
  if (options.any_size) return g;
  g.image_height = options.image_height, g.image_width = options.image_width;
  return g;
}

Status read_picture_transformer(const Json& config, const std::string& where,
                                PictureTransformerOptions& o) {
  LUTHIER_CHECK(read_vision_sizes(config, where, o));
  LUTHIER_TRY(o.qkv_bias, json_bool(config, "qkv_bias", where, true));
  if (o.any_size && o.image_height != o.image_width)
    return input_error("The table of positions must be square.", where + ": image_size");
  for (const char* key :
       {"hidden_dropout_prob", "attention_probs_dropout_prob", "drop_path_rate"}) {
    LUTHIER_TRY(const double rate, json_number(config, key, where, 0));
    if (rate != 0)
      return input_error("Dropout inside a picture's tower is not one that Luthier trains with.",
                         where + ": " + key, "Set it to 0.");
  }
  return {};
}

}  // namespace luthier
