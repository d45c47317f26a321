// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/aya_vision/aya_vision.h"

#include <cmath>

#include "engine/models/config_numbers.h"
#include "engine/models/llava/llava_names.h"
#include "engine/models/processor_files.h"
#include "engine/models/tower_model.h"
#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

class AyaProjector : public torch::nn::Module {
 public:
  AyaProjector(const AyaVisionOptions& o, const torch::TensorOptions& t) {
    const std::int64_t folded = o.vision.hidden_size * o.fold * o.fold;
    layernorm_ = register_module("layernorm", LayerNorm(folded, o.norm_eps, t));
    linear_1_ = register_module("linear_1", Linear(folded, o.alignment_size, true, t));
    linear_2_ =
        register_module("linear_2", Linear(o.alignment_size / 2, o.text.hidden_size, true, t));
  }
  Tensor forward(const Tensor& features) {
    const auto halves = linear_1_(layernorm_(features)).chunk(2, -1);  // the second opens the first
    return linear_2_(gated(halves[1], halves[0], Activation::Silu));
  }
  ProjectorCost cost(const Pass& pass) const {
    const StepTerms& terms = pass.terms;
    const std::int64_t features = pass.pictures.tokens, half = linear_2_->in_features();
    const TrainedShare norm = terms.of(*layernorm_), first = terms.of(*linear_1_),
                       second = terms.of(*linear_2_);
    ProjectorCost cost;
    cost.trains = norm.trains || first.trains || second.trains;
    cost.kept = projector_norm_kept(terms, features, layernorm_->weight.size(0)) +
                2 * terms.block(features * half) + rows_kept(terms, first, features) +
                rows_kept(terms, second, features);
    if (first.trains && first.keeps_input)
      cost.kept += terms.block(features * linear_1_->in_features());
    if (second.trains && second.keeps_input) cost.kept += terms.block(features * half);
    // The gradients of what is opened, of both halves, and those put together.
    cost.work = 5 * terms.block(features * half);
    return cost;
  }

 private:
  LayerNorm layernorm_{nullptr};
  Linear linear_1_{nullptr}, linear_2_{nullptr};
};

class AyaBody : public torch::nn::Module {
 public:
  AyaBody(const AyaVisionOptions& o, const torch::TensorOptions& t) {
    vision_tower = register_module("vision_tower", VisionTower(o.vision, t));
    multi_modal_projector =
        register_module("multi_modal_projector", std::make_shared<AyaProjector>(o, t));
    language_model = register_module("language_model", Decoder(o.text, t));
  }
  VisionTower vision_tower{nullptr};
  std::shared_ptr<AyaProjector> multi_modal_projector;
  Decoder language_model{nullptr};
};

class AyaVision : public TowerModel {
 public:
  AyaVision(const AyaVisionOptions& o, const torch::TensorOptions& t)
      : options_(o), body_(std::make_shared<AyaBody>(o, t)) {
    declare_part(kVisionTower, "model.vision_tower.");
    declare_part(kProjector, "model.multi_modal_projector.");
    assemble(body_, body_->language_model, o.tie_word_embeddings, o.image_token_id, t);
  }

  Tensor tower(const ModelInput& input) override {
    const Tensor features =
        selected_features(body_->vision_tower, input.pixel_values, {options_.feature_layer},
                          options_.drop_first_feature);
    return fold_patches(features, options_.vision.patch_rows(), options_.vision.patch_columns(),
                        options_.fold)
        .flatten(0, 1);
  }

  ModelGeometry geometry() const override {
    const VisionTowerOptions& v = options_.vision;
    ModelGeometry g = describe(v);
    g.vision_tokens = v.tokens();
    g.image_tokens = frame_tokens(options_);
    g.patches_per_token = options_.fold * options_.fold;
    g.image_height = v.image_height, g.image_width = v.image_width;
    return g;
  }

  std::int64_t feature_numbers(const PictureLoad& pictures) const override {
    return pictures.frames * options_.vision.patches() * options_.vision.hidden_size;
  }

  static std::int64_t frame_tokens(const AyaVisionOptions& o) {
    return o.vision.patches() / (o.fold * o.fold);
  }

 protected:
  Tensor project(const Tensor& features, const ModelInput&) override {
    return body_->multi_modal_projector->forward(features);
  }
  TowerCost tower_cost(const Pass& pass) const override {
    const std::int64_t layer = options_.feature_layer;
    return body_->vision_tower->cost(
        pass, pass.pictures.frames * options_.vision.tokens(),
        layer < 0 ? layer + options_.vision.num_hidden_layers + 1 : layer, /*normed=*/false);
  }
  ProjectorCost projector_cost(const Pass& pass) const override {
    return body_->multi_modal_projector->cost(pass);
  }

 private:
  AyaVisionOptions options_;
  std::shared_ptr<AyaBody> body_;
};

/// AyaVisionProcessor cuts tiles, whatever the picture processor's own file says.
ProcessorDefaults aya_processor() { return {"GotOcr2ImageProcessor", {{"crop_to_patches", true}}}; }

/// Between a start and an end the tiles, each behind its number, and last the whole picture.
Result<ImageTokens> aya_image_tokens(const AyaVisionOptions& options,
                                     const std::filesystem::path& folder) {
  LUTHIER_TRY(const std::int64_t side, processor_count(folder, "img_size", 364));
  LUTHIER_TRY(const std::int64_t patch, processor_count(folder, "patch_size", 28));
  LUTHIER_TRY(const std::int64_t factor, processor_count(folder, "downsample_factor", 1));
  const std::int64_t along = side / (patch * factor), count = along * along;
  LUTHIER_CHECK(check_frame_tokens(count, AyaVision::frame_tokens(options), folder, "img_size"));
  LUTHIER_CHECK(frame_outline(folder, aya_processor(), 1));
  ImageTokens tokens;
  LUTHIER_TRY(tokens.mark, processor_token(folder, "image_token", "<image>"));
  LUTHIER_TRY(tokens.token, processor_token(folder, "img_patch_token", "<|IMG_PATCH|>"));
  LUTHIER_TRY(const std::string begin,
              processor_token(folder, "start_of_img_token", "<|START_OF_IMG|>"));
  LUTHIER_TRY(const std::string end, processor_token(folder, "end_of_img_token", "<|END_OF_IMG|>"));
  LUTHIER_TRY(const std::string tile, processor_token(folder, "tile_token", "TILE"));
  LUTHIER_TRY(const std::string whole, processor_token(folder, "tile_global_token", "TILE_GLOBAL"));
  tokens.expand = [begin, end, tile, whole, count,
                   token = tokens.token](const PixelValues& pixels) {
    const std::string frame = repeated(token, count);
    std::string text = begin;
    for (std::int64_t number = 1; number < pixels.shape.at(0); ++number)
      text += tile + "_" + std::to_string(number) + frame;
    return text + whole + frame + end;
  };
  return tokens;
}

Result<Plan> read_aya_vision(const Json& config, const std::filesystem::path& folder) {
  LUTHIER_TRY(const AyaVisionOptions options,
              read_aya_vision_options(config, (folder / "config.json").string()));
  Plan plan;
  plan.build = builder<AyaVision>(options);
  plan.pictures =
      PicturePlan{options.image_token_id, aya_processor(),
                  [options](const auto& files) { return aya_image_tokens(options, files); }};
  plan.initializer_range = options.text.initializer_range;
  return plan;
}

/// Which of the tower's states go on, and that their patches are squares of `fold` a side.
Status read_aya_features(const Json& config, const std::string& where, AyaVisionOptions& o) {
  const VisionTowerOptions& v = o.vision;
  const std::string place = where + ": vision_feature_layer";
  Json layer = config.value("vision_feature_layer", Json(-1));
  if (layer.is_array() && layer.size() == 1) layer = Json(layer.front());
  if (!layer.is_number_integer())
    return input_error("One number is expected: the projector's norm is as wide as one layer.",
                       place);
  o.feature_layer = layer.get<std::int64_t>();
  const std::int64_t states = v.num_hidden_layers + 1;
  if (o.feature_layer < -states || o.feature_layer >= states)
    return input_error("The tower has no layer " + std::to_string(o.feature_layer) + ".", place,
                       "It has " + std::to_string(v.num_hidden_layers) + " layers.");
  LUTHIER_TRY(const std::string strategy,
              json_string(config, "vision_feature_select_strategy", where, "full"));
  const std::string strategies = where + ": vision_feature_select_strategy";
  if (strategy != "default" && strategy != "full")
    return input_error("\"" + strategy + "\" is not known.", strategies,
                       "Known are default and full.");
  o.drop_first_feature = strategy == "default";
  if (o.drop_first_feature != v.class_embedding) {
    return input_error(
        v.class_embedding ? "\"full\" keeps the class token, which has no place among the tiles."
                          : "\"default\" leaves out a class token, which this tower does not have.",
        strategies, "CLIP towers go with default, SigLIP towers with full.");
  }
  if (v.image_height != v.image_width)
    return input_error("Tiles must be square.", where + ": vision_config: image_size");
  LUTHIER_TRY(o.fold, json_int(config, "downsample_factor", where, 2));
  LUTHIER_CHECK(in_range(o.fold, 1, 64, where, "downsample_factor"));
  return check_fold(v.patch_rows(), v.patch_columns(), o.fold, where + ": downsample_factor");
}

}  // namespace

Result<AyaVisionOptions> read_aya_vision_options(const Json& config, const std::string& where) {
  AyaVisionOptions o;
  LUTHIER_TRY(Json vision, config_section(config, "vision_config", where));
  LUTHIER_TRY(const Json text, config_section(config, "text_config", where));
  if (!vision.contains("model_type")) vision["model_type"] = "siglip_vision_model";
  LUTHIER_TRY(o.vision, read_vision_tower_options(vision, where + ": vision_config"));
  LUTHIER_TRY(o.text, read_decoder_options(text, where + ": text_config", "cohere2"));
  o.text.logit_scale = 1;
  LUTHIER_CHECK(read_aya_features(config, where, o));

  LUTHIER_TRY(o.alignment_size,
              json_int(config, "alignment_intermediate_size", where, o.text.hidden_size));
  LUTHIER_CHECK(in_range(o.alignment_size, 2, 1 << 22, where, "alignment_intermediate_size"));
  if (o.alignment_size % 2 != 0)
    return input_error("The projector halves it: an even number is expected.",
                       where + ": alignment_intermediate_size");
  LUTHIER_TRY(o.norm_eps, json_number(config, "adapter_layer_norm_eps", where, 1e-6));
  if (!(o.norm_eps >= 0) || !std::isfinite(o.norm_eps))
    return input_error("A number of 0 or more is expected.", where + ": adapter_layer_norm_eps");
  LUTHIER_TRY(o.tie_word_embeddings, json_bool(config, "tie_word_embeddings", where, true));
  LUTHIER_TRY(o.image_token_id, read_image_token(config, {"image_token_index", "image_token_id"},
                                                 255036, o.text.vocab_size, where));
  return o;
}

const Family aya_vision_family{.model_type = "aya_vision",
                               .takes_pictures = true,
                               .read = read_aya_vision,
                               .memory_name = llava_memory_name,
                               .stored_name = llava_stored_name,
                               .by_tensors = {.image_hidden_states = ByTensors::States::ByFrame}};

}  // namespace luthier
