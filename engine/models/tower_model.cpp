// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/tower_model.h"

namespace luthier {

namespace {

constexpr const char* kImagePlaces = "image_places";

}  // namespace

void TowerModel::assemble(std::shared_ptr<torch::nn::Module> body, const Decoder& decoder,
                          bool tied, TokenId image_token, const torch::TensorOptions& tensors) {
  DecoderModel::assemble(std::move(body), decoder, tied, tensors);
  image_token_ = image_token;
}

void TowerModel::hold(const Decoder& decoder, Linear head, TokenId image_token) {
  DecoderModel::hold(decoder, std::move(head));
  image_token_ = image_token;
}

TokenSequence TowerModel::embed(const ModelInput& input) {
  TokenSequence sequence;
  sequence.rows = row_layout(input);
  // An image token that the embedding does not hold gets its features all the same.
  const bool held = image_token_ < decoder()->options.vocab_size;
  sequence.embeddings = decoder()->embed(
      held ? input.input_ids : input.input_ids.masked_fill(input.input_ids == image_token_, 0));
  if (has_per_layer_embeddings()) {
    sequence.ids = input.input_ids.masked_fill(input.input_ids == image_token_,
                                               decoder()->options.gemma4->padding);
  }
  if (input.pictures.empty()) return sequence;
  const torch::Tensor features =
      project(input.tower_features.defined() ? input.tower_features : tower(input), input);
  sequence.embeddings = place_features(sequence.embeddings, image_places(input), features);
  return sequence;
}

torch::Tensor TowerModel::image_places(const ModelInput& input) const {
  const auto made = input.aside.find(kImagePlaces);
  return made != input.aside.end() ? made->second : feature_places(input);
}

torch::Tensor TowerModel::feature_places(const ModelInput& input) const {
  torch::Tensor places = input.input_ids == image_token_;
  if (film_token_ >= 0 && has_films(input)) places.logical_or_(input.input_ids == film_token_);
  return places.nonzero().squeeze(1);
}

torch::Tensor TowerModel::image_blocks(const torch::Tensor& ids) const {
  const torch::Tensor image = ids == image_token_;  // [tokens]
  const torch::Tensor before = at::cat({torch::zeros({1}, image.options()), image.slice(0, 0, -1)});
  const torch::Tensor number =
      image.logical_and(before.logical_not()).to(torch::kInt64).cumsum(0) - 1;
  return number.masked_fill(image.logical_not(), -1);
}

void TowerModel::prepare(ModelInput& input) const {
  DecoderModel::prepare(input);
  if (!input.pictures.empty()) input.aside[kImagePlaces] = image_places(input);
}

ModelGeometry TowerModel::describe(const VisionSizes& vision) const {
  ModelGeometry g = DecoderModel::geometry();
  g.vision_hidden_size = vision.hidden_size;
  g.vision_layers = vision.num_hidden_layers, g.vision_heads = vision.num_attention_heads;
  return g;
}

Result<Json> config_section(const Json& config, const char* key, const std::string& where) {
  const auto found = config.find(key);
  if (found == config.end() || found->is_null()) return Json(Json::object());
  if (!found->is_object()) return input_error("An object is expected.", where + ": " + key);
  return Json(*found);
}

Result<TokenId> read_image_token(const Json& config, std::initializer_list<const char*> keys,
                                 TokenId fallback, std::int64_t vocab_size,
                                 const std::string& where) {
  const char* name = *keys.begin();
  TokenId id = fallback;
  for (const char* key : keys) {
    if (const auto found = config.find(key); found == config.end() || found->is_null()) continue;
    name = key;
    LUTHIER_TRY(id, json_int(config, key, where));
    break;
  }
  if (id >= 0 && id < vocab_size) return id;
  return input_error("The image token " + std::to_string(id) + " is outside the vocabulary of " +
                         std::to_string(vocab_size) + ".",
                     where + ": " + name);
}

}  // namespace luthier
