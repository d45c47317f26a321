// SPDX-License-Identifier: GPL-3.0-or-later
// SigLIP (Zhai et al. 2023) as SiglipModel of transformers 5.17: a tower of pictures whose states a
// learned query pools, one of texts whose tokens see one another both ways, and a scale and a bias
// of their likeness, which judges each pair by itself. A text is read at the length of the table of
// positions, and what fills it up is read like any token: its vector is made of the last one.
#include "engine/models/clip/clip_text.h"
#include "engine/models/family.h"
#include "engine/models/pictures/tower_body.h"
#include "engine/models/tower_model.h"
#include "engine/models/two_towers/padded_texts.h"
#include "engine/models/two_towers/two_tower_parts.h"
#include "engine/models/vision_tower.h"
#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

constexpr const char* kFilledTexts = "siglip.texts";

struct SiglipOptions {
  VisionTowerOptions vision;
  ClipTextOptions text;
  std::int64_t projection_size = 768;
  bool tie_word_embeddings = false;  ///< there is no head to tie
};

/// CLIP's tower of texts with a product behind it.
class SiglipTextTower : public ClipTextTower {
 public:
  SiglipTextTower(const SiglipOptions& o, const torch::TensorOptions& t)
      : ClipTextTower(o.text, t) {
    head = register_module("head", Linear(o.text.sizes.hidden_size, o.projection_size, true, t));
  }
  Linear head{nullptr};
};

class Siglip : public Model,
               public TwoTowers,
               public PaddedTexts,
               public PictureTower,
               public StepCosts {
 public:
  Siglip(const SiglipOptions& o, const torch::TensorOptions& t) : options_(o) {
    declare_part(kVisionTower, "vision_model.");
    declare_part(kProjector, "text_model.head.");
    declare_part(kProjector, "logit_scale");
    declare_part(kProjector, "logit_bias");
    add_parameter("logit_scale", logit_scale_, {1}, t);
    add_parameter("logit_bias", logit_bias_, {1}, t);
    text_model_ = register_module("text_model", std::make_shared<SiglipTextTower>(o, t));
    vision_model_ = register_module("vision_model", VisionTower(o.vision, t));
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
    return unit_vectors(input.tower_features.defined() ? input.tower_features : tower(input));
  }
  Tensor text(const ModelInput& input, std::int64_t rows) override {
    const Tensor filler = torch::full({1}, padding_, input.input_ids.options());
    const auto made = input.aside.find(kFilledTexts);
    const Tensor places =
        made == input.aside.end() ? filled(input, rows).to(filler.device()) : made->second;
    const Tensor ids = at::cat({input.input_ids, filler}).index_select(0, places);
    const RowLayout layout(equal_lengths(rows));
    return unit_vectors(
        text_model_->head(text_model_->forward(ids, layout, rows, gradient_checkpointing_)));
  }
  Tensor scale() override { return logit_scale_.exp(); }
  Tensor bias() override { return logit_bias_; }
  void start_own_tensors() override {
    logit_scale_.zero_();
    logit_bias_.zero_();
  }
  void prepare(ModelInput& input) const override {
    Model::prepare(input);
    if (!input.pictures.empty())
      input.aside[kFilledTexts] = filled(input, static_cast<std::int64_t>(input.pictures.size()));
  }

  /// In the order of text_likeness: the pictures' way, then the texts', filled up.
  PassCost cost(const Pass& pass) const override {
    const std::int64_t pictures = pass.pictures.frames;
    Pass texts = pass;
    texts.lengths = equal_lengths(pictures);
    texts.tokens = pictures * options_.text.max_position_embeddings;
    texts.rows = rows_shape(texts.lengths, /*causal=*/false);
    const TowerCost tower = vision_model_->pooled_cost(pass);
    PassCost cost;
    cost.stages = {two_tower_inputs(pass, tower.trains)};
    tower.add_to(cost, pass.terms.block(feature_numbers(pass.pictures)));
    text_model_->add_cost(texts, pictures, cost);
    cost.stages.push_back(end_product_cost(pass.terms, text_model_->head, pictures));
    cost.head.width = options_.projection_size;
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
  std::vector<std::int64_t> equal_lengths(std::int64_t rows) const {
    return std::vector<std::int64_t>(static_cast<std::size_t>(rows),
                                     options_.text.max_position_embeddings);
  }

  /// Where each token of the filled texts stands among the input's, behind which the filler is:
  /// [rows · positions] int64, on the host.
  Tensor filled(const ModelInput& input, std::int64_t rows) const {
    const std::int64_t longest = options_.text.max_position_embeddings,
                       filler = input.input_ids.size(0);
    std::vector<std::int64_t> places;
    places.reserve(static_cast<std::size_t>(rows * longest));
    std::int64_t start = 0;
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::int64_t length = input.lengths[static_cast<std::size_t>(row)];
      TORCH_CHECK(length <= longest, "a text of ", length, " tokens is longer than the model's ",
                  longest, " positions");
      for (std::int64_t i = 0; i < longest; ++i) places.push_back(i < length ? start + i : filler);
      start += length;
    }
    return torch::tensor(places, torch::kInt64);
  }

  SiglipOptions options_;
  Tensor logit_scale_, logit_bias_;
  std::shared_ptr<SiglipTextTower> text_model_;
  VisionTower vision_model_{nullptr};
};

/// SiglipTextConfig's defaults.
Json with_text_defaults(Json text) {
  const Json defaults = {{"vocab_size", 32000},       {"hidden_size", 768},
                         {"intermediate_size", 3072}, {"num_hidden_layers", 12},
                         {"num_attention_heads", 12}, {"max_position_embeddings", 64},
                         {"layer_norm_eps", 1e-6},    {"hidden_act", "gelu_pytorch_tanh"}};
  for (const auto& [key, value] : defaults.items())
    if (!text.contains(key) || text[key].is_null()) text[key] = value;
  return text;
}

Result<Plan> read_siglip(const Json& config, const std::filesystem::path& folder) {
  const std::string where = (folder / "config.json").string();
  SiglipOptions options;
  LUTHIER_TRY(Json vision, config_section(config, "vision_config", where));
  LUTHIER_TRY(const Json text, config_section(config, "text_config", where));
  if (!vision.contains("model_type")) vision["model_type"] = "siglip_vision_model";
  LUTHIER_TRY(options.vision, read_vision_tower_options(vision, where + ": vision_config"));
  LUTHIER_TRY(auto alone, plan_tower_alone(config, where, options.vision, "SiglipImageProcessor"));
  if (alone) return std::move(*alone);
  if (!options.vision.pooling_head)
    return input_error("The vision tower has no pooling head, which makes a picture's vector.",
                       where + ": vision_config",
                       "It is siglip_vision_model, and vision_use_head is not false.");
  LUTHIER_TRY(options.text,
              read_clip_text_options(with_text_defaults(text), where + ": text_config"));
  options.text.both_ways = true;
  LUTHIER_TRY(options.projection_size, json_int(text, "projection_size", where + ": text_config",
                                                options.text.sizes.hidden_size));
  if (options.projection_size != options.vision.hidden_size)
    return input_error(
        "The texts' vectors have " + std::to_string(options.projection_size) +
            " numbers, the pictures' " + std::to_string(options.vision.hidden_size) + ".",
        where + ": text_config: projection_size", "The two must be as wide as one another.");
  Plan plan;
  plan.build = builder<Siglip>(options);
  plan.longest_row = options.text.max_position_embeddings;
  plan.pictures = pictures_beside("SiglipImageProcessor");
  return plan;
}

}  // namespace

extern const Family siglip_family;
const Family siglip_family{"siglip",
                           /*takes_pictures=*/true,
                           read_siglip,
                           same_name,
                           same_name,
                           nullptr,
                           nullptr,
                           nullptr,
                           nullptr,
                           nullptr,
                           {.pictures = "SiglipForImageClassification"}};

}  // namespace luthier
