// SPDX-License-Identifier: GPL-3.0-or-later
// Flamingo (Alayrac et al. 2022), as IdeficsForVisionText2Text has it: gated layers before every
// n-th of the language model's look at what stands for the last picture. `resampler`: that is a few
// learned states; `gated`: all states of the tower. Either begins with closed gates, as if there
// were no pictures.
#include <array>

#include "engine/lab/compose/connector.h"

namespace luthier {

namespace {

constexpr const char *kPictureWord = "<image>", *kAroundWord = "<fake_token_around_image>",
                     *kIdeficsClass = "IdeficsForVisionText2Text";

/// What IdeficsConfig has of a Llama's.
constexpr std::array kLlamaFields{
    "hidden_size",     "intermediate_size", "num_hidden_layers", "num_attention_heads",
    "hidden_act",      "initializer_range", "rms_norm_eps",      "max_position_embeddings",
    "rope_parameters", "rope_theta",        "rope_scaling",      "use_cache"};

Status check_llama(const LanguageSource& language) {
  const std::string where =
      language.folder.empty() ? "small" : (language.folder / "config.json").string();
  if (language.type != "llama")
    return input_error(
        "Gated layers stand before those of a Llama, not of a \"" + language.type + "\".",
        where + ": model_type", "Give a folder of model_type llama.");
  LUTHIER_TRY(const std::int64_t heads,
              json_int(language.config, "num_attention_heads", where, 32));
  LUTHIER_TRY(const std::int64_t shared,
              json_int(language.config, "num_key_value_heads", where, heads));
  if (shared != heads)
    return input_error("Idefics' decoder has keys and values for each of its " +
                           std::to_string(heads) + " heads, this one for " +
                           std::to_string(shared) + ".",
                       where + ": num_key_value_heads",
                       "Give a Llama without grouped queries (Llama 1, Llama 2 7B and 13B).");
  LUTHIER_TRY(const std::int64_t size,
              json_int(language.config, "head_dim", where, language.hidden_size / heads));
  if (size * heads != language.hidden_size)
    return input_error("Idefics' heads share hidden_size among them, and these do not.",
                       where + ": head_dim", "Give a Llama whose head_dim is hidden_size / heads.");
  for (const char* bias : {"attention_bias", "mlp_bias"}) {
    LUTHIER_TRY(const bool has, json_bool(language.config, bias, where, false));
    if (has)
      return input_error("Idefics' decoder has no biases.", where + ": " + bias,
                         "Give a Llama without them.");
  }
  return {};
}

Result<Json> configure_bridge(const ConnectorParts& parts, bool resampled) {
  const LanguageSource& language = parts.language;
  LUTHIER_CHECK(check_llama(language));
  const bool small = parts.small();
  Json config = parts.config(kIdeficsClass, "idefics");
  config["vocab_size"] = language.vocab_size;
  config["additional_vocab_size"] = parts.rows_lacking;
  for (const char* key : kLlamaFields)
    if (const auto found = language.config.find(key);
        found != language.config.end() && !found->is_null())
      config[key] = *found;
  Json vision = parts.vision_config("");
  vision.erase("model_type");
  vision["embed_dim"] = vision["hidden_size"];
  vision.erase("hidden_size");
  std::int64_t every = parts.order.every;
  if (every == 0)
    for (every = 4; language.layers % every != 0;) every /= 2;
  const std::int64_t queries = parts.order.queries > 0 ? parts.order.queries : (small ? 8 : 64);
  const Json perceiver = {{"use_resampler", resampled},
                          {"resampler_n_latents", queries},
                          {"resampler_depth", small ? 2 : 6},
                          {"resampler_n_heads", small ? 4 : 16},
                          {"resampler_head_dim", small ? 32 : 96},
                          {"qk_layer_norms_perceiver", false}};
  config.update({{"image_token_id", parts.id(kPictureWord)},
                 {"tie_word_embeddings", language.tied},
                 {"cross_layer_interval", every},
                 {"alpha_initializer", "zeros"},
                 {"alpha_type", "float"},
                 {"qk_layer_norms", false},
                 {"use_resampler", resampled},
                 {"vision_config", vision},
                 {"perceiver_config", perceiver}});
  return config;
}
Result<Json> configure_resampler(const ConnectorParts& parts) {
  return configure_bridge(parts, true);
}
Result<Json> configure_gated(const ConnectorParts& parts) { return configure_bridge(parts, false); }

Result<ComposeDraft> lay_out_bridge(const ConnectorParts& parts, const Json& config) {
  const TowerHalf& tower = *parts.tower;
  const std::string where = "config.json";
  LUTHIER_TRY(const bool resampled, json_bool(config, "use_resampler", where, false));
  LUTHIER_TRY(const std::int64_t every, json_int(config, "cross_layer_interval", where, 1));
  const Json own = config.value("perceiver_config", Json::object());
  LUTHIER_TRY(const std::int64_t latents,
              json_int(own, "resampler_n_latents", where + ": perceiver_config", 64));
  LUTHIER_TRY(const std::int64_t depth,
              json_int(own, "resampler_depth", where + ": perceiver_config", 6));
  ComposeDraft draft;
  draft.tower_at = "model.vision_model.";
  draft.language_at = {{"model.layers.", "model.layers."},
                       {"model.norm.", "model.norm."},
                       {"model.embed_tokens.weight", "model.embed_tokens.weight"},
                       {"lm_head.weight", "lm_head.weight"}};
  draft.own_words = {"model.embed_tokens.additional_embedding.weight",
                     "lm_head.additional_fc.weight"};
  draft.image_processor = {{"image_processor_type", "IdeficsImageProcessor"},
                           {"image_num_channels", 3},
                           {"image_size", tower.sizes.image_height},
                           {"image_mean", tower.picture["image_mean"]},
                           {"image_std", tower.picture["image_std"]}};
  draft.processor = {{"processor_class", "IdeficsProcessor"}};
  draft.mark = {kPictureWord, /*bare=*/true};
  const std::int64_t states = resampled ? latents : tower.tokens();
  draft.picture.states = states;
  draft.picture.text_tokens = 3;  // the mark, and what stands around it
  const std::string width = with_commas(tower.sizes.hidden_size);
  draft.boxes = {
      parts.picture_box(),
      {"vision_tower", described(tower), with_commas(tower.tokens()) + " states of " + width}};
  if (resampled)
    draft.boxes.push_back(
        {"perceiver_resampler",
         with_commas(latents) + " learned states through " + std::to_string(depth) + " blocks",
         with_commas(latents) + " states of " + width});
  const std::int64_t gated = every > 0 ? parts.language.layers / every : 0;
  draft.boxes.push_back({"gated_cross_attn_layers",
                         std::to_string(gated) + " layers, one for each " + std::to_string(every) +
                             " of the language model's, gates closed",
                         with_commas(states) + " states, seen from behind the mark " +
                             kPictureWord + " (no tokens of the text but the mark)"});
  draft.boxes.push_back(parts.language_box());
  std::vector<std::string> settings{
      "training.learning_rate=1e-4", "training.lr_scheduler_type=constant_with_warmup",
      "training.warmup_ratio=0.01",  "training.weight_decay=0.1",
      "training.max_grad_norm=1",    "training.num_train_epochs=1"};
  for (std::string& each : batch_settings(256)) settings.push_back(std::move(each));
  ComposedStage stage = freeze_stage("bridge", false, true, false, std::move(settings));
  stage.learns = resampled
                     ? "Resampler and gated layers, from pages with pictures and from captions."
                     : "Gated layers, from pages with pictures and from captions.";
  stage.paper =
      "Alayrac et al. 2022: 500 K steps, of which 5,000 warm-up, rate 1e-4 and then constant, "
      "weight decay 0.1, gradients' norm 1; tower and language model stand";
  draft.stages = {std::move(stage)};
  if (parts.rows_lacking > 0)
    draft.notes.push_back(
        "The marks' " + std::to_string(parts.rows_lacking) +
        " words have a table of their own, which is drawn and belongs to the language model: it "
        "stands where that stands (transformers would train it).");
  return draft;
}

Connector bridge_row(const char* key, const char* title, bool queries) {
  Connector row;
  row.summary = {key,     title, "idefics", kIdeficsClass, "CLIP", "Llama without grouped queries",
                 queries, true};
  row.towers = {TowerKind::Clip};
  row.words = {kAroundWord, kPictureWord};
  row.pads = true;
  row.tables_grow = false;
  row.lay_out = lay_out_bridge;
  return row;
}

}  // namespace

Connector resampler_connector() {
  Connector row = bridge_row(
      "resampler", "A resampler and gated cross-attention every n-th layer (Flamingo)", true);
  row.configure = configure_resampler;
  return row;
}

Connector gated_connector() {
  Connector row = bridge_row(
      "gated", "Gated cross-attention every n-th layer to all states of the tower", false);
  row.configure = configure_gated;
  return row;
}

}  // namespace luthier
