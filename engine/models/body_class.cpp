// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/body_class.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "engine/data/named_class.h"
#include "engine/models/head_of_class.h"

namespace luthier {

namespace {

constexpr std::string_view kNextSentence = "BertForNextSentencePrediction",
                           kEncoderOfT5 = "T5EncoderModel", kEncoderOfMae = "ViTMAEModel";

/// Names that end as a body's does, of classes that have heads.
constexpr std::array<std::string_view, 4> kWithHeads{"LMHeadModel", "DoubleHeadsModel",
                                                     "EncoderDecoderModel", "DetectionModel"};
/// What heads begin with, over all families.
constexpr std::array<std::string_view, 10> kHeads{"cls.",
                                                  "lm_head.",
                                                  "predictions.",
                                                  "generator_predictions.",
                                                  "generator_lm_head.",
                                                  "lm_predictions.",
                                                  "answer_head.",
                                                  "obj_predict_head.",
                                                  "classifier",
                                                  "sop_classifier."};

/// Families that ask for a class: that of pretraining, which has all parts.
constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kWholeClasses{
    {{kNextSentence, "BertForPreTraining"},
     {"VisualBertModel", "VisualBertForPreTraining"},
     {"LxmertModel", "LxmertForPreTraining"}}};

/// A tower's own folder, and the model that has it.
struct TowerClass {
  std::string_view type, both, architecture, section, before;
};
constexpr std::array<TowerClass, 4> kTowers{
    {{"clip_vision_model", "clip", "CLIPForImageClassification", "vision_config", "vision_model."},
     {"siglip_vision_model", "siglip", "SiglipForImageClassification", "vision_config",
      "vision_model."},
     {"clip_text_model", "clip", "CLIPModel", "text_config", "text_model."},
     {"siglip_text_model", "siglip", "SiglipModel", "text_config", "text_model."}}};
/// What a tower of texts has beside it in such a model.
constexpr std::array<std::string_view, 5> kBesideTexts{
    "vision_model.", "visual_projection", "text_projection", "logit_scale", "logit_bias"};

/// Null: the folder is no tower's own.
const TowerClass* tower_class(const Json& config) {
  const auto type = config.find("model_type");
  if (type == config.end() || !type->is_string()) return nullptr;
  const std::string name = type->get<std::string>();
  for (const TowerClass& tower : kTowers)
    if (name == tower.type) return &tower;
  return nullptr;
}

/// As small a tower of pictures as there is, of so many numbers.
Json smallest_tower(const TowerClass& tower, const Json& width) {
  return {{"model_type", std::string(tower.both) + "_vision_model"},
          {"hidden_size", width},
          {"intermediate_size", 1},
          {"num_hidden_layers", 1},
          {"num_attention_heads", 1},
          {"image_size", 1},
          {"patch_size", 1}};
}

}  // namespace

bool is_body_class(const std::string& architecture) {
  if (architecture.ends_with("ModelWithProjection")) return true;
  return architecture.ends_with("Model") &&
         std::none_of(kWithHeads.begin(), kWithHeads.end(),
                      [&](std::string_view end) { return architecture.ends_with(end); });
}

Json config_with_heads(const Json& config) {
  Json made = config;
  const std::string name = named_class(config);
  for (const auto& [body, whole] : kWholeClasses)
    if (name == body) made["architectures"] = Json::array({whole});
  if (name == kEncoderOfT5) made["is_encoder_decoder"] = true;
  const TowerClass* const tower = tower_class(config);
  if (!tower) return made;
  made = Json::object();
  made["model_type"] = tower->both;
  made["architectures"] = Json::array({tower->architecture});
  made["text_config"] = Json::object();
  made[std::string(tower->section)] = config;
  if (tower->section == "vision_config") return made;
  const Json width = config.value("hidden_size", Json(512));
  made["vision_config"] = smallest_tower(*tower, config.value("projection_size", width));
  if (config.contains("projection_dim")) made["projection_dim"] = config["projection_dim"];
  return made;
}

std::string before_tower_names(const Json& config) {
  const TowerClass* const tower = tower_class(config);
  return tower ? std::string(tower->before) : std::string();
}

bool class_lacks(const std::string& architecture, const std::string& name) {
  const auto begins = [&name](std::string_view with) { return name.starts_with(with); };
  if (architecture == kNextSentence) return begins("cls.predictions.");
  if (architecture == kEncoderOfT5 && begins("decoder.")) return true;
  if (architecture == kEncoderOfMae) return begins("decoder.");
  if (head_replaces(architecture, name)) return true;
  if (architecture.find("Text") != std::string::npos &&
      std::any_of(kBesideTexts.begin(), kBesideTexts.end(), begins))
    return true;
  return is_body_class(architecture) && std::any_of(kHeads.begin(), kHeads.end(), begins);
}

}  // namespace luthier
