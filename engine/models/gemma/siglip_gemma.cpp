// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/gemma/siglip_gemma.h"

#include <algorithm>

namespace luthier {

using torch::Tensor;

Status read_siglip_gemma_options(const Json& config, Json vision, const Json& text,
                                 std::initializer_list<const char*> decoders, TokenId image_token,
                                 const std::string& where, SiglipGemmaOptions& o) {
  if (!vision.contains("model_type") || vision["model_type"].is_null())
    vision["model_type"] = "siglip_vision_model";
  if (vision["model_type"] != "siglip_vision_model") {
    return input_error("The vision tower " + vision["model_type"].dump() + " is not this family's.",
                       where + ": vision_config: model_type", "It is siglip_vision_model.");
  }
  LUTHIER_TRY(o.vision, read_vision_tower_options(vision, where + ": vision_config"));
  LUTHIER_TRY(o.text, read_decoder_options(text, where + ": text_config", *decoders.begin()));
  if (std::find(decoders.begin(), decoders.end(), o.text.model_type) == decoders.end()) {
    return input_error(
        "The decoder \"" + o.text.model_type + "\" is not this family's.",
        where + ": text_config: model_type",
        std::string("It is ") + *decoders.begin() +
            (decoders.size() > 1 ? " or " + std::string(*(decoders.end() - 1)) : "") + ".");
  }
  LUTHIER_TRY(o.tie_word_embeddings, json_bool(config, "tie_word_embeddings", where, true));
  // It may lie behind the vocabulary: its embedding is never looked at.
  constexpr std::int64_t kMostIds = 1 << 24;
  LUTHIER_TRY(o.image_token_id, read_image_token(config, {"image_token_index", "image_token_id"},
                                                 image_token, kMostIds, where));
  return {};
}

class SiglipGemma::Body : public torch::nn::Module {
 public:
  Body(const SiglipGemmaOptions& o, std::shared_ptr<PictureProjector> projector,
       const torch::TensorOptions& t) {
    vision_tower = register_module("vision_tower", VisionTower(o.vision, t));
    multi_modal_projector = register_module("multi_modal_projector", std::move(projector));
    language_model = register_module("language_model", Decoder(o.text, t));
  }
  VisionTower vision_tower{nullptr};
  std::shared_ptr<PictureProjector> multi_modal_projector;
  Decoder language_model{nullptr};
};

SiglipGemma::SiglipGemma(const SiglipGemmaOptions& o, std::shared_ptr<PictureProjector> projector,
                         const torch::TensorOptions& t)
    : vision_(o.vision), body_(std::make_shared<Body>(o, std::move(projector), t)) {
  declare_part(kVisionTower, "model.vision_tower.");
  declare_part(kProjector, "model.multi_modal_projector.");
  assemble(body_, body_->language_model, o.tie_word_embeddings, o.image_token_id, t);
}

Tensor SiglipGemma::tower(const ModelInput& input) {
  return body_->vision_tower->last_hidden_state(input.pixel_values).flatten(0, 1);
}

Tensor SiglipGemma::project(const Tensor& features, const ModelInput&) {
  return body_->multi_modal_projector->forward(features);
}

std::int64_t SiglipGemma::feature_numbers(const PictureLoad& pictures) const {
  return pictures.frames * vision_.tokens() * vision_.hidden_size;
}

TowerCost SiglipGemma::tower_cost(const Pass& pass) const {
  return body_->vision_tower->cost(pass, pass.pictures.frames * vision_.tokens(),
                                   vision_.num_hidden_layers, /*normed=*/true);
}

ProjectorCost SiglipGemma::projector_cost(const Pass& pass) const {
  return body_->multi_modal_projector->cost(pass);
}

ModelGeometry SiglipGemma::geometry() const {
  ModelGeometry g = describe(vision_);
  g.vision_tokens = g.image_tokens = vision_.tokens();
  g.image_height = vision_.image_height, g.image_width = vision_.image_width;
  g.vision_final_norm = g.picture_blocks = true;
  return g;
}

}  // namespace luthier
