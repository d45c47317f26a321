// SPDX-License-Identifier: GPL-3.0-or-later
// CLIP (Radford et al. 2021) as CLIPModel of transformers 5.17: a tower of pictures and one of
// texts, each with a product into one space, and a learned scale of their likeness.
#include "engine/models/clip/clip_sections.h"
#include "engine/models/clip/clip_text.h"
#include "engine/models/family.h"
#include "engine/models/pictures/tower_body.h"
#include "engine/models/tower_model.h"
#include "engine/models/two_towers/two_tower_parts.h"
#include "engine/models/vision_tower.h"
#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

struct ClipOptions {
  VisionTowerOptions vision;
  ClipTextOptions text;
  std::int64_t projection_dim = 512;
  double logit_scale_init_value = 2.6592;
  bool tie_word_embeddings = false;  ///< there is no head to tie
};

class Clip : public Model, public TwoTowers, public PictureTower, public StepCosts {
 public:
  Clip(const ClipOptions& o, const torch::TensorOptions& t) : options_(o) {
    declare_part(kVisionTower, "vision_model.");
    declare_part(kProjector, "visual_projection.");
    declare_part(kProjector, "text_projection.");
    declare_part(kProjector, "logit_scale");
    add_parameter("logit_scale", logit_scale_, {}, t);
    text_model_ = register_module("text_model", std::make_shared<ClipTextTower>(o.text, t));
    vision_model_ = register_module("vision_model", VisionTower(o.vision, t));
    visual_projection_ = register_module("visual_projection",
                                         Linear(o.vision.hidden_size, o.projection_dim, false, t));
    text_projection_ = register_module(
        "text_projection", Linear(o.text.sizes.hidden_size, o.projection_dim, false, t));
  }

  TwoTowers* two_towers() override { return this; }
  PictureTower* picture_tower() override { return this; }
  const StepCosts* step_costs() const override { return this; }

  /// [pictures, width]: one picture is one frame.
  Tensor tower(const ModelInput& input) override {
    TORCH_CHECK(input.pixel_values.size(0) == static_cast<std::int64_t>(input.pictures.size()),
                "a picture is one frame");
    return vision_model_->pooled(input.pixel_values);
  }
  Tensor image(const ModelInput& input) override {
    return unit_vectors(
        visual_projection_(input.tower_features.defined() ? input.tower_features : tower(input)));
  }
  Tensor text(const ModelInput& input, std::int64_t rows) override {
    return unit_vectors(text_projection_(
        text_model_->forward(input.input_ids, row_layout(input), rows, gradient_checkpointing_)));
  }
  Tensor scale() override { return logit_scale_.exp(); }
  void start_own_tensors() override { logit_scale_.fill_(options_.logit_scale_init_value); }

  /// In the order of text_likeness: the pictures' way, then the texts'.
  PassCost cost(const Pass& pass) const override {
    const StepTerms& terms = pass.terms;
    const std::int64_t pictures = pass.pictures.frames;
    const TowerCost tower = vision_model_->pooled_cost(pass);
    PassCost cost;
    cost.stages = {two_tower_inputs(pass, tower.trains)};
    tower.add_to(cost, terms.block(feature_numbers(pass.pictures)));
    cost.stages.push_back(end_product_cost(terms, visual_projection_, pictures));
    text_model_->add_cost(pass, pictures, cost);
    cost.stages.push_back(end_product_cost(terms, text_projection_, pictures));
    cost.head.width = options_.projection_dim;
    return cost;
  }
  std::int64_t feature_numbers(const PictureLoad& pictures) const override {
    return pictures.frames * options_.vision.hidden_size;
  }

  ModelGeometry geometry() const override {
    ModelGeometry g = text_geometry(options_.text.sizes, options_.text.vocab_size);
    const VisionTowerOptions& v = options_.vision;
    g.vision_hidden_size = v.hidden_size, g.vision_layers = v.num_hidden_layers;
    g.vision_heads = v.num_attention_heads, g.vision_tokens = v.tokens();
    g.image_height = v.image_height, g.image_width = v.image_width;
    return g;
  }

 private:
  ClipOptions options_;
  Tensor logit_scale_;
  std::shared_ptr<ClipTextTower> text_model_;
  VisionTower vision_model_{nullptr};
  Linear visual_projection_{nullptr}, text_projection_{nullptr};
};

Result<Plan> read_clip(const Json& config, const std::filesystem::path& folder) {
  const std::string where = (folder / "config.json").string();
  ClipOptions options;
  LUTHIER_TRY(const Json vision, clip_section(config, "vision_config", where));
  LUTHIER_TRY(const Json text, clip_section(config, "text_config", where));
  LUTHIER_TRY(options.vision, read_vision_tower_options(vision, where + ": vision_config"));
  if (!options.vision.class_embedding)
    return input_error("The vision tower has no class token, whose state is the picture's.",
                       where + ": vision_config: model_type", "It is clip_vision_model.");
  LUTHIER_TRY(auto alone, plan_tower_alone(config, where, options.vision, "CLIPImageProcessor"));
  if (alone) return std::move(*alone);
  LUTHIER_TRY(options.text, read_clip_text_options(text, where + ": text_config"));
  LUTHIER_TRY(options.projection_dim, json_int(config, "projection_dim", where, 512));
  if (options.projection_dim < 1 || options.projection_dim > 1 << 20)
    return input_error("projection_dim must be between 1 and 1048576.", where + ": projection_dim");
  LUTHIER_TRY(options.logit_scale_init_value,
              json_number(config, "logit_scale_init_value", where, options.logit_scale_init_value));
  Plan plan;
  plan.build = builder<Clip>(options);
  plan.initializer_range = options.text.sizes.initializer_range;
  plan.longest_row = options.text.max_position_embeddings;
  plan.pictures = pictures_beside("CLIPImageProcessor");
  return plan;
}

}  // namespace

extern const Family clip_family;
const Family clip_family{"clip",
                         /*takes_pictures=*/true,
                         read_clip,
                         same_name,
                         same_name,
                         nullptr,
                         nullptr,
                         nullptr,
                         nullptr,
                         nullptr,
                         {.pictures = "CLIPForImageClassification"}};

}  // namespace luthier
