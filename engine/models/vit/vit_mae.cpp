// SPDX-License-Identifier: GPL-3.0-or-later
// MAE (He et al. 2022) as ViTMAEForPreTraining of transformers 5.17: an encoder sees the patches of
// the smallest noise and no others, in that order; a decoder gets them back in their places, one
// learned token in all others, and says the pixels of each patch. Positions are sines that nothing
// trains (transformers' class fills a fresh model's with zeros, and lets one that was loaded learn
// them).
#include <cmath>

#include "engine/models/config_numbers.h"
#include "engine/models/family.h"
#include "engine/models/two_towers/two_tower_parts.h"
#include "engine/models/vit/picture_layer.h"
#include "engine/models/vit/uncovered_patches.h"
#include "engine/models/vit/vit_names.h"
#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

struct MaeOptions {
  PictureLayerOptions encoder, decoder;
  double mask_ratio = 0.75;
  bool norm_pix_loss = false;

  std::int64_t seen() const {
    return static_cast<std::int64_t>(static_cast<double>(encoder.patches()) * (1 - mask_ratio));
  }
  std::int64_t patch_numbers() const {
    return encoder.patch_size * encoder.patch_size * encoder.num_channels;
  }
};

class MaePart : public torch::nn::Module {};

/// Sines and cosines of each patch's column, then of its row; the first token has none:
/// [1, 1 + side², width] float32.
Tensor sine_table(std::int64_t side, std::int64_t width) {
  const std::int64_t quarter = width / 4;
  const auto wide = torch::TensorOptions().dtype(torch::kFloat64);
  const Tensor rates =
      at::pow(10000.0, torch::arange(quarter, wide) / static_cast<double>(quarter)).reciprocal();
  const Tensor turns = at::outer(torch::arange(side, wide), rates);  // [side, quarter]
  const Tensor waves = at::cat({turns.sin(), turns.cos()}, 1);       // [side, width / 2]
  const Tensor columns = waves.unsqueeze(0).expand({side, side, -1}),
               rows = waves.unsqueeze(1).expand({side, side, -1});
  const Tensor table = at::cat({columns, rows}, 2).reshape({side * side, width});
  return at::cat({torch::zeros({1, width}, wide), table}).unsqueeze(0).to(torch::kFloat32);
}

/// Holds a fixed table of positions beside a learned token.
class MaeTokens : public ParameterModule {
 public:
  MaeTokens(const char* token, const char* table, std::int64_t side, std::int64_t width,
            const torch::TensorOptions& t)
      : side_(side) {
    add_parameter(token, this->token, {1, 1, width}, t);
    add_fixed(table, positions, {1, side * side + 1, width}, 0, t);
  }
  std::string type_name() const override { return "Parameter"; }
  Tensor first_value(const std::string& name, const at::Generator& generator) const override {
    return fixed().contains(name) ? sine_table(side_, positions.size(2))
                                  : ParameterModule::first_value(name, generator);
  }
  Tensor token, positions;

 private:
  std::int64_t side_;
};

class Mae : public Model, public PatchRebuilder, public UncoveredPatches, public StepCosts {
 public:
  Mae(const MaeOptions& o, const torch::TensorOptions& t) : options_(o) {
    declare_part(kVisionTower, "vit.");
    declare_part(kProjector, "decoder.");
    const std::int64_t side = o.encoder.patch_rows();
    const auto body = register_module("vit", std::make_shared<MaePart>());
    tokens_ = body->register_module(
        "embeddings", std::make_shared<MaeTokens>("cls_token", "position_embeddings", side,
                                                  o.encoder.hidden_size, t));
    patches_ =
        tokens_->register_module("patch_embeddings", std::make_shared<MaePart>())
            ->register_module("projection", std::make_shared<PatchConvolution>(o.encoder, true, t));
    layers_ = add_layers(*body, "layers", o.encoder, t);
    norm_ = body->register_module("layernorm",
                                  LayerNorm(o.encoder.hidden_size, o.encoder.layer_norm_eps, t));
    covering_ =
        register_module("decoder", std::make_shared<MaeTokens>("mask_token", "decoder_pos_embed",
                                                               side, o.decoder.hidden_size, t));
    narrow_ = covering_->register_module(
        "decoder_embed", Linear(o.encoder.hidden_size, o.decoder.hidden_size, true, t));
    decoder_ = add_layers(*covering_, "decoder_layers", o.decoder, t);
    decoder_norm_ = covering_->register_module(
        "decoder_norm", LayerNorm(o.decoder.hidden_size, o.decoder.layer_norm_eps, t));
    pixels_ = covering_->register_module("decoder_pred",
                                         Linear(o.decoder.hidden_size, o.patch_numbers(), true, t));
  }

  PatchRebuilder* patch_rebuilder() override { return this; }
  const StepCosts* step_costs() const override { return this; }
  std::int64_t patches() const override { return options_.encoder.patches(); }

  Tensor seen_states(const ModelInput& input, const Tensor& noise) override {
    const Tensor& pixels = input.pixel_values;
    TORCH_CHECK(pixels.size(2) == options_.encoder.image_height &&
                    pixels.size(3) == options_.encoder.image_width,
                "the picture's size does not fit the model");
    const Tensor order = noise.argsort(std::int64_t{1});
    const Tensor placed = patches_->forward(pixels) + tokens_->positions.slice(1, 1);
    const Tensor first = (tokens_->token + tokens_->positions.slice(1, 0, 1));
    Tensor x = at::cat({first.expand({pixels.size(0), -1, -1}),
                        gathered(placed, order.slice(1, 0, options_.seen()))},
                       1);
    for (const auto& layer : layers_) x = run(*layer, x);
    return norm_(x);
  }

  Rebuilt rebuild(const ModelInput& input, const Tensor& noise) override {
    const Tensor& pixels = input.pixel_values;
    const std::int64_t pictures = pixels.size(0), seen = options_.seen(), all = patches();
    const Tensor back =
        noise.argsort(std::int64_t{1}).argsort(std::int64_t{1});  // [pictures, patches]
    Tensor x = narrow_(seen_states(input, noise));
    const Tensor filled =
        at::cat({x.slice(1, 1), covering_->token.expand({pictures, all - seen, -1})}, 1);
    x = at::cat({x.slice(1, 0, 1), gathered(filled, back)}, 1) + covering_->positions;
    for (const auto& layer : decoder_) x = run(*layer, x);
    Rebuilt rebuilt;
    rebuilt.made = pixels_(decoder_norm_(x)).slice(1, 1).to(torch::kFloat32);
    rebuilt.wanted = wanted(pixels);
    rebuilt.covered = (back >= seen).to(torch::kFloat32);
    return rebuilt;
  }

  PassCost cost(const Pass& pass) const override {
    const StepTerms& terms = pass.terms;
    const std::int64_t frames = pass.pictures.frames;
    const std::int64_t seen = frames * (options_.seen() + 1), all = frames * (patches() + 1);
    PassCost cost;
    const TrainedShare start = trained_within(terms, *tokens_);
    cost.stages = {two_tower_inputs(pass, start.trains)};
    bool flows = start.trains;
    const ProductsCost product = patches_cost(terms, *patches_, pass.pictures.numbers);
    const auto add = [&](std::int64_t kept, std::int64_t work, const TrainedShare& share) {
      cost.stages.push_back({kept, {{kept, work}}, share.parameters * terms.gradient_element});
    };
    add(product.input + product.numbers,
        terms.block(frames * patches() * options_.encoder.hidden_size) + product.work, start);
    add_layer_costs(pass, layers_, seen, flows, cost);
    add(flows ? norm_kept(terms, norm_, seen) : 0, 0, terms.of(*norm_));
    cost.stages.push_back(end_product_cost(terms, narrow_, seen));
    flows = flows || terms.of(*narrow_).trains;
    add(0, terms.block(all * options_.decoder.hidden_size), terms.of(*covering_));
    flows = flows || terms.of(*covering_).trains;
    add_layer_costs(pass, decoder_, all, flows, cost);
    add(flows ? norm_kept(terms, decoder_norm_, all) : 0, 0, terms.of(*decoder_norm_));
    cost.stages.push_back(end_product_cost(terms, pixels_, all));
    cost.head.width = options_.patch_numbers();
    return cost;
  }
  std::int64_t feature_numbers(const PictureLoad&) const override { return 0; }

  ModelGeometry geometry() const override {
    const PictureLayerOptions& e = options_.encoder;
    ModelGeometry g = text_geometry(e, 1);
    g.vision_hidden_size = e.hidden_size, g.vision_layers = e.num_hidden_layers;
    g.vision_heads = e.num_attention_heads, g.vision_tokens = e.patches() + 1;
    g.image_height = e.image_height, g.image_width = e.image_width;
    return g;
  }

 private:
  using Layers = std::vector<std::shared_ptr<PictureLayer>>;

  static Layers add_layers(torch::nn::Module& owner, const char* name, const PictureLayerOptions& o,
                           const torch::TensorOptions& t) {
    Layers layers;
    torch::nn::ModuleList list;
    for (std::int64_t i = 0; i < o.num_hidden_layers; ++i) {
      layers.push_back(std::make_shared<PictureLayer>(o, t));
      list->push_back(layers.back());
    }
    owner.register_module(name, list);
    return layers;
  }
  /// [pictures, patches, width] at `places` [pictures, n].
  static Tensor gathered(const Tensor& x, const Tensor& places) {
    return x.gather(1, places.unsqueeze(2).expand({x.size(0), places.size(1), x.size(2)}));
  }
  static Tensor run(PictureLayer& layer, const Tensor& x) { return layer.forward(x); }

  static void add_layer_costs(const Pass& pass, const Layers& layers, std::int64_t rows,
                              bool& flows, PassCost& cost) {
    StepTerms terms = pass.terms;
    terms.frames = std::max<std::int64_t>(1, pass.pictures.frames);
    terms.checkpointing = false;
    for (const auto& layer : layers) {
      const LayerCost of_layer = layer->cost(terms, rows, flows);
      flows = flows || of_layer.share.trains;
      cost.stages.push_back(kept_stage(terms, of_layer));
    }
  }

  /// Each patch's pixels, row by row, the colours last: [pictures, patches, numbers].
  Tensor wanted(const Tensor& pixels) const {
    const std::int64_t p = options_.encoder.patch_size, pictures = pixels.size(0),
                       rows = pixels.size(2) / p, columns = pixels.size(3) / p;
    Tensor made = pixels.to(torch::kFloat32)
                      .reshape({pictures, 3, rows, p, columns, p})
                      .permute({0, 2, 4, 3, 5, 1})
                      .reshape({pictures, rows * columns, p * p * 3});
    if (!options_.norm_pix_loss) return made;
    const Tensor mean = made.mean(-1, /*keepdim=*/true),
                 variance = made.var(-1, /*unbiased=*/true, /*keepdim=*/true);
    return (made - mean) / (variance + 1e-6).pow(0.5);
  }

  MaeOptions options_;
  std::shared_ptr<MaeTokens> tokens_, covering_;
  std::shared_ptr<PatchConvolution> patches_;
  Layers layers_, decoder_;
  LayerNorm norm_{nullptr}, decoder_norm_{nullptr};
  Linear narrow_{nullptr}, pixels_{nullptr};
};

Result<MaeOptions> read_mae_options(const Json& config, const std::string& where) {
  MaeOptions o;
  o.encoder.patch_size = 16, o.encoder.layer_norm_eps = 1e-12;
  o.encoder.hidden_act = Activation::Gelu;
  LUTHIER_CHECK(read_vision_sizes(config, where, o.encoder));
  LUTHIER_TRY(o.encoder.qkv_bias, json_bool(config, "qkv_bias", where, true));
  if (o.encoder.image_height != o.encoder.image_width ||
      o.encoder.image_height % o.encoder.patch_size != 0)
    return input_error("The picture must be square, and its patches must fill it.",
                       where + ": image_size");
  Json decoder = config;
  const std::pair<const char*, std::int64_t> sizes[] = {{"hidden_size", 512},
                                                        {"num_hidden_layers", 8},
                                                        {"num_attention_heads", 16},
                                                        {"intermediate_size", 2048}};
  for (const auto& [key, standard] : sizes) {
    const std::string own = std::string("decoder_") + key;
    LUTHIER_TRY(decoder[key], json_int(config, own, where, standard));
  }
  o.decoder = o.encoder;
  LUTHIER_CHECK(read_vision_sizes(decoder, where + " (decoder_…)", o.decoder));
  if (o.encoder.hidden_size % 4 != 0 || o.decoder.hidden_size % 4 != 0)
    return input_error("hidden_size must be a multiple of 4, half sines and cosines each way.",
                       where + ": hidden_size");
  LUTHIER_TRY(o.mask_ratio, json_number(config, "mask_ratio", where, o.mask_ratio));
  if (!(o.mask_ratio >= 0) || !(o.mask_ratio < 1) || o.seen() < 1 ||
      o.seen() == o.encoder.patches())
    return input_error("mask_ratio must leave some patches and cover some.",
                       where + ": mask_ratio");
  LUTHIER_TRY(o.norm_pix_loss, json_bool(config, "norm_pix_loss", where, false));
  return o;
}

Result<Plan> read_mae(const Json& config, const std::filesystem::path& folder) {
  const std::string where = (folder / "config.json").string();
  LUTHIER_TRY(const MaeOptions options, read_mae_options(config, where));
  Plan plan;
  plan.pictures = pictures_beside("ViTImageProcessor");
  plan.form = RowForm::PictureAlone;
  plan.initializer_range = options.encoder.initializer_range;
  plan.build = [options](const torch::TensorOptions& tensors, HeadWeight) {
    return std::make_shared<Mae>(options, tensors);
  };
  return plan;
}

std::string mae_memory_name(const std::string& stored) {
  const bool whole = stored.starts_with("vit.") || stored.starts_with("decoder.");
  return vit_memory_name(whole ? stored : "vit." + stored);
}

}  // namespace

extern const Family vit_mae_family;
const Family vit_mae_family{"vit_mae", /*takes_pictures=*/true, read_mae, mae_memory_name,
                            vit_stored_name};

}  // namespace luthier
