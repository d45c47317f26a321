// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/gemma4/unified.h"

#include <string_view>

#include "engine/models/family.h"

namespace luthier {

using torch::Tensor;

namespace {

constexpr const char* kUnifiedProcessor = "Gemma4UnifiedImageProcessor";

class Gemma4UnifiedBody : public torch::nn::Module {
 public:
  Gemma4UnifiedBody(const Gemma4UnifiedOptions& o, const torch::TensorOptions& t) {
    embed_vision = register_module(
        "embed_vision", std::make_shared<Gemma4UnifiedEmbedder>(o.vision, o.text.hidden_size, t));
    language_model = register_module("language_model", Decoder(o.text, t));
  }
  std::shared_ptr<Gemma4UnifiedEmbedder> embed_vision;
  Decoder language_model{nullptr};
};

class Gemma4Unified : public Gemma4MediaModel {
 public:
  Gemma4Unified(const Gemma4UnifiedOptions& o, const torch::TensorOptions& t)
      : Gemma4MediaModel(o), width_(o.vision.width) {
    body_ = std::make_shared<Gemma4UnifiedBody>(o, t);
    declare_part(kProjector, "model.embed_vision.multimodal_embedder.");
    declare_part(kVisionTower, "model.embed_vision.");
    assemble(body_, body_->language_model, o.tie_word_embeddings, o.image_token_id, t);
  }

  Tensor tower(const ModelInput& input) override { return body_->embed_vision->features(input); }

  void prepare(ModelInput& input) const override {
    Gemma4MediaModel::prepare(input);
    if (!input.pictures.empty() && input.pixel_values.defined())
      body_->embed_vision->prepare(input);
  }

  ModelGeometry geometry() const override {  // a picture's patches and tokens go by its size
    VisionSizes sizes;
    sizes.hidden_size = width_;
    sizes.num_hidden_layers = sizes.num_attention_heads = 0;
    return describe(sizes);
  }

  std::int64_t feature_numbers(const PictureLoad& pictures) const override {
    return pictures.patches * width_;
  }

 protected:
  Tensor project(const Tensor& features, const ModelInput&) override {
    return body_->embed_vision->project(features);
  }
  TowerCost tower_cost(const Pass& pass) const override { return body_->embed_vision->cost(pass); }
  ProjectorCost projector_cost(const Pass& pass) const override {
    return body_->embed_vision->projector_cost(pass);
  }

 private:
  std::int64_t width_;
  std::shared_ptr<Gemma4UnifiedBody> body_;
};

/// Files have all of it but the last product under another name.
constexpr std::string_view kEmbedder = "model.embed_vision.",
                           kStoredEmbedder = "model.vision_embedder.",
                           kProduct =
                               "model.embed_vision.multimodal_embedder.embedding_projection.",
                           kStoredProduct = "model.embed_vision.embedding_projection.";

std::string exchanged(const std::string& name, std::string_view from, std::string_view to) {
  return std::string(to) + name.substr(from.size());
}

std::string unified_memory_name(const std::string& stored) {
  if (stored.starts_with(kStoredProduct)) return exchanged(stored, kStoredProduct, kProduct);
  if (stored.starts_with(kStoredEmbedder)) return exchanged(stored, kStoredEmbedder, kEmbedder);
  return stored;
}

std::string unified_stored_name(const std::string& memory) {
  if (memory.starts_with(kProduct)) return exchanged(memory, kProduct, kStoredProduct);
  if (memory.starts_with(kEmbedder)) return exchanged(memory, kEmbedder, kStoredEmbedder);
  return memory;
}

Result<Plan> read_gemma4_unified(const Json& config, const std::filesystem::path& folder) {
  LUTHIER_TRY(const Gemma4UnifiedOptions options,
              read_gemma4_unified_options(config, (folder / "config.json").string()));
  Plan plan;
  plan.build = builder<Gemma4Unified>(options);
  const Gemma4UnifiedVisionOptions& vision = options.vision;
  const Gemma4Patches patches{kUnifiedProcessor,     vision.patch_size, vision.pooling,
                              vision.patch_values(), /*block=*/1,       vision.positions,
                              options.hears};
  plan.pictures =
      PicturePlan{options.image_token_id, ProcessorDefaults{kUnifiedProcessor},
                  [patches](const auto& files) { return gemma4_image_tokens(patches, files); }};
  plan.initializer_range = options.text.initializer_range;
  plan.initializer_ranges = [text = options.text.initializer_range,
                             places = options.vision.initializer_range,
                             others = options.initializer_range](const std::string& name) {
    if (!name.starts_with(kEmbedder)) return text;
    return name.ends_with("pos_embedding") ? places : others;
  };
  return plan;
}

}  // namespace

Result<Gemma4UnifiedOptions> read_gemma4_unified_options(const Json& config,
                                                         const std::string& where) {
  Gemma4UnifiedOptions o;
  LUTHIER_TRY(const Json vision, config_section(config, "vision_config", where));
  if (const auto found = config.find("vision_config"); found == config.end() || found->is_null())
    return input_error("The model takes no pictures.", where + ": vision_config",
                       "Models that read text alone are of other families.");
  LUTHIER_TRY(o.vision, read_gemma4_unified_vision(vision, where + ": vision_config"));
  LUTHIER_CHECK(read_gemma4_media(config, where, "gemma4_unified_text", o));
  LUTHIER_TRY(o.initializer_range,
              json_number(config, "initializer_range", where, o.initializer_range));
  return o;
}

namespace {

Status unified_pictures(const GivenArguments& given, const Json& config, ModelInput& input) {
  return gemma4_given(given, /*side=*/1, config, input);
}

}  // namespace

extern const Family gemma4_unified_family;
const Family gemma4_unified_family{.model_type = "gemma4_unified",
                                   .takes_pictures = true,
                                   .read = read_gemma4_unified,
                                   .memory_name = unified_memory_name,
                                   .stored_name = unified_stored_name,
                                   .processor_layout = gemma4_layout,
                                   .leave_out = gemma4_without_sound,
                                   .by_tensors = {unified_pictures, ByTensors::States::Flat}};

}  // namespace luthier
