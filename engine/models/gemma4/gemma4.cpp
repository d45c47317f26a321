// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/gemma4/gemma4.h"

#include "engine/models/class_arguments.h"
#include "engine/models/family.h"

namespace luthier {

using torch::Tensor;

namespace {

class Gemma4Body : public torch::nn::Module {
 public:
  Gemma4Body(const Gemma4ModelOptions& o, const torch::TensorOptions& t) {
    vision_tower = register_module("vision_tower", std::make_shared<Gemma4Tower>(o.vision, t));
    language_model = register_module("language_model", Decoder(o.text, t));
    embed_vision = register_module(
        "embed_vision", std::make_shared<Gemma4Embedder>(o.vision.hidden_size, o.text.hidden_size,
                                                         o.vision.rms_norm_eps, t));
  }
  std::shared_ptr<Gemma4Tower> vision_tower;
  Decoder language_model{nullptr};
  std::shared_ptr<Gemma4Embedder> embed_vision;
};

class Gemma4 : public Gemma4MediaModel {
 public:
  Gemma4(const Gemma4ModelOptions& o, const torch::TensorOptions& t)
      : Gemma4MediaModel(o), options_(o), body_(std::make_shared<Gemma4Body>(o, t)) {
    declare_part(kVisionTower, "model.vision_tower.");
    declare_part(kProjector, "model.embed_vision.");
    assemble(body_, body_->language_model, o.tie_word_embeddings, o.image_token_id, t);
  }

  Tensor tower(const ModelInput& input) override { return body_->vision_tower->forward(input); }

  void prepare(ModelInput& input) const override {
    Gemma4MediaModel::prepare(input);
    if (!input.pictures.empty() && input.pixel_values.defined())
      body_->vision_tower->prepare(input);
  }

  ModelGeometry geometry() const override {  // a picture's patches and tokens go by its size
    VisionSizes sizes;
    sizes.hidden_size = options_.vision.hidden_size;
    sizes.num_hidden_layers = options_.vision.num_hidden_layers;
    sizes.num_attention_heads = options_.vision.num_attention_heads;
    ModelGeometry g = describe(sizes);
    g.patches_per_token = options_.vision.block();
    return g;
  }

  std::int64_t feature_numbers(const PictureLoad& pictures) const override {
    return pictures.patches / options_.vision.block() * options_.vision.hidden_size;
  }

 protected:
  Tensor project(const Tensor& features, const ModelInput&) override {
    return body_->embed_vision->forward(features);
  }
  TowerCost tower_cost(const Pass& pass) const override { return body_->vision_tower->cost(pass); }
  ProjectorCost projector_cost(const Pass& pass) const override {
    return body_->embed_vision->cost(pass, tower_cost(pass).flows);
  }

 private:
  const Gemma4ModelOptions options_;
  std::shared_ptr<Gemma4Body> body_;
};

constexpr const char* kGemma4Processor = "Gemma4ImageProcessor";

Result<Plan> read_gemma4(const Json& config, const std::filesystem::path& folder) {
  LUTHIER_TRY(const Gemma4ModelOptions options,
              read_gemma4_options(config, (folder / "config.json").string()));
  Plan plan;
  plan.build = builder<Gemma4>(options);
  const Gemma4VisionOptions& tower = options.vision;
  const Gemma4Patches patches{kGemma4Processor,     tower.patch_size, tower.pooling,
                              tower.patch_values(), tower.block(),    tower.positions,
                              options.hears};
  plan.pictures =
      PicturePlan{options.image_token_id, ProcessorDefaults{kGemma4Processor},
                  [patches](const auto& files) { return gemma4_image_tokens(patches, files); }};
  plan.initializer_range = options.text.initializer_range;
  return plan;
}

}  // namespace

Result<Gemma4ModelOptions> read_gemma4_options(const Json& config, const std::string& where) {
  Gemma4ModelOptions o;
  LUTHIER_TRY(const Json vision, config_section(config, "vision_config", where));
  if (vision.empty())
    return input_error("The model has no tower for pictures.", where + ": vision_config",
                       "A model that reads text alone has the model_type gemma4_text.");
  LUTHIER_TRY(o.vision, read_gemma4_vision(vision, where + ": vision_config"));
  LUTHIER_CHECK(read_gemma4_media(config, where, "gemma4_text", o));
  return o;
}

namespace {

Status gemma4_pictures(const GivenArguments& given, const Json& config, ModelInput& input) {
  LUTHIER_TRY(const Gemma4ModelOptions options, read_gemma4_options(config, given.where()));
  return gemma4_given(given, options.vision.pooling, config, input);
}

}  // namespace

extern const Family gemma4_family;
const Family gemma4_family{.model_type = "gemma4",
                           .takes_pictures = true,
                           .read = read_gemma4,
                           .memory_name = same_name,
                           .stored_name = same_name,
                           .processor_layout = gemma4_layout,
                           .leave_out = gemma4_without_sound,
                           .by_tensors = {gemma4_pictures, ByTensors::States::Flat}};

}  // namespace luthier
