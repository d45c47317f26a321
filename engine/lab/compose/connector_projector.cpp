// SPDX-License-Identifier: GPL-3.0-or-later
// LLaVA (Liu et al. 2023): a tower's states through two products into the places of <image>, as
// LlavaForConditionalGeneration has it. `mlp` is LLaVA-1.5's, with an activation between the two;
// `linear` is the first LLaVA's map, which transformers writes as two products with nothing between
// them: the second begins as the identity, so that the two are one drawn matrix.
#include <algorithm>

#include "engine/lab/compose/connector.h"

namespace luthier {

namespace {

constexpr const char *kImageWord = "<image>", *kLlavaClass = "LlavaForConditionalGeneration";

Result<Json> configure_projector(const ConnectorParts& parts, bool linear) {
  const TowerHalf& tower = *parts.tower;
  const bool clip = tower.kind == TowerKind::Clip;
  Json config = parts.config(kLlavaClass, "llava");
  Json vision = parts.vision_config(tower.type);
  if (!clip) vision["vision_use_head"] = tower.pooling_head;
  config.update({{"image_token_index", parts.id(kImageWord)},
                 {"image_seq_length", tower.sizes.patches()},
                 {"multimodal_projector_bias", true},
                 {"projector_hidden_act", linear ? "linear" : "gelu"},
                 {"vision_feature_layer", clip ? -2 : -1},
                 {"vision_feature_select_strategy", clip ? "default" : "full"},
                 {"tie_word_embeddings", parts.language.tied},
                 {"vision_config", vision},
                 {"text_config", parts.text_config()}});
  return config;
}
Result<Json> configure_mlp(const ConnectorParts& parts) {
  return configure_projector(parts, false);
}
Result<Json> configure_linear(const ConnectorParts& parts) {
  return configure_projector(parts, true);
}

std::vector<ComposedStage> llava_stages(bool linear) {
  const auto numbers = [](const char* rate, std::int64_t batch, const char* epochs) {
    std::vector<std::string> settings{std::string("training.learning_rate=") + rate,
                                      std::string("training.num_train_epochs=") + epochs,
                                      "training.lr_scheduler_type=cosine",
                                      "training.warmup_ratio=0.03", "training.weight_decay=0"};
    for (std::string& each : batch_settings(batch)) settings.push_back(std::move(each));
    return settings;
  };
  ComposedStage first = freeze_stage("align", false, true, false,
                                     numbers(linear ? "2e-3" : "1e-3", linear ? 128 : 256, "1"));
  first.learns = "The projector alone, from pictures and their captions.";
  first.paper = linear ? "Liu et al. 2023: 595 K captions, one epoch, batches of 128, rate 2e-3"
                       : "LLaVA-1.5: 558 K captions, one epoch, batches of 256, rate 1e-3";
  ComposedStage second = freeze_stage("instruct", false, true, true,
                                      numbers("2e-5", linear ? 32 : 128, linear ? "3" : "1"));
  second.learns = "Projector and language model, from questions about pictures.";
  second.paper =
      linear ? "Liu et al. 2023: 158 K conversations, three epochs, batches of 32, rate 2e-5"
             : "LLaVA-1.5: 665 K conversations, one epoch, batches of 128, rate 2e-5";
  return {std::move(first), std::move(second)};
}

Result<ComposeDraft> lay_out_projector(const ConnectorParts& parts, const Json& config) {
  const TowerHalf& tower = *parts.tower;
  const std::string where = "config.json";
  const bool clip = tower.kind == TowerKind::Clip;
  LUTHIER_TRY(const std::string act, json_string(config, "projector_hidden_act", where, "gelu"));
  LUTHIER_TRY(const std::string strategy,
              json_string(config, "vision_feature_select_strategy", where, "default"));
  const bool drops = strategy == "default", linear = act == "linear";
  const std::int64_t tokens = tower.tokens() - (drops ? 1 : 0);
  ComposeDraft draft;
  draft.tower_at = "model.vision_tower.";
  draft.language_at = {{"model.language_model.", "model."}, {"lm_head.", "lm_head."}};
  if (linear) draft.identity = "model.multi_modal_projector.linear_2.weight";
  draft.image_processor =
      parts.picture_processor(clip ? "CLIPImageProcessor" : "SiglipImageProcessor");
  draft.processor = {{"image_token", kImageWord},
                     {"num_additional_image_tokens", clip ? 1 : 0},
                     {"patch_size", tower.sizes.patch_size},
                     {"processor_class", "LlavaProcessor"},
                     {"vision_feature_select_strategy", strategy}};
  draft.mark = {"<image>\\n"};
  draft.picture.states = draft.picture.text_tokens = tokens;
  const auto layers = config.find("vision_feature_layer");
  const std::string read = layers == config.end() ? "-2" : layers->dump();
  const std::int64_t side_by_side =
      layers != config.end() && layers->is_array() ? static_cast<std::int64_t>(layers->size()) : 1;
  const std::string in = with_commas(tower.sizes.hidden_size * side_by_side),
                    out = with_commas(parts.language.hidden_size), count = with_commas(tokens);
  draft.boxes = {
      parts.picture_box(),
      {"vision_tower", described(tower),
       clip && drops
           ? count + " states of " + in + " (of layer " + read + ", without the class token)"
       : clip ? count + " states of " + in + " (of layer " + read + ", with the class token)"
              : count + " states of " + in + " (of layer " + read + ")"},
      {"projector",
       "linear_1 " + in + " -> " + out + (linear ? "" : ", " + act) + ", linear_2 " + out + " -> " +
           out,
       count + " tokens of " + out + " in the places of " + kImageWord},
      parts.language_box()};
  if (linear)
    draft.notes.push_back(
        "A linear projector is two products with nothing between them, since transformers' class "
        "has two; the second begins as the identity.");
  draft.stages = llava_stages(linear);
  return draft;
}

Connector projector_row(const char* key, const char* title) {
  Connector row;
  row.summary = {key,   title, "llava", kLlavaClass, "CLIP, SigLIP", "any decoder that llava takes",
                 false, false};
  row.towers = {TowerKind::Clip, TowerKind::Siglip};
  row.words = {kImageWord};
  row.lay_out = lay_out_projector;
  return row;
}

}  // namespace

Connector linear_connector() {
  Connector row = projector_row("linear", "One linear map of each state (LLaVA)");
  row.configure = configure_linear;
  return row;
}

Connector mlp_connector() {
  Connector row = projector_row("mlp", "Two products and an activation (LLaVA-1.5)");
  row.configure = configure_mlp;
  return row;
}

}  // namespace luthier
