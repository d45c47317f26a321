// SPDX-License-Identifier: GPL-3.0-or-later
// ClipCap (Mokady et al. 2021): CLIP's vector of a picture becomes a few states before a caption,
// by two products or by a transformer, and GPT-2 writes the caption. transformers has no class of
// it; CLIPVisionModelWithProjection and GPT2LMHeadModel load their halves of what is written.
#include "engine/lab/compose/connector.h"

namespace luthier {

namespace {

constexpr const char* kPrefixWord = "<image>";
constexpr std::int64_t kPaperPrefix = 10, kSmallPrefix = 4;

Result<Json> configure_prefix(const ConnectorParts& parts, const char* mapping) {
  const TowerHalf& tower = *parts.tower;
  if (parts.language.type != "gpt2")
    return input_error(
        "A prefix stands before GPT-2, and the language model is a " + parts.language.type + ".",
        parts.language.folder.empty() ? "--language-model" : parts.language.folder.string(),
        "Give the folder of a GPT-2.");
  if (tower.files && tower.projection.empty())
    return input_error(
        "The tower's weights lack visual_projection.weight, which makes CLIP's "
        "vector of a picture.",
        tower.folder.string(), "Give a whole CLIP, or a CLIPVisionModelWithProjection.");
  Json config = parts.config("ClipCaptionModel", "clipcap");
  Json vision = parts.vision_config("clip_vision_model");
  vision["projection_dim"] =
      tower.projection_dim > 0 ? tower.projection_dim : tower.sizes.hidden_size;
  const std::int64_t queries =
      parts.order.queries > 0 ? parts.order.queries : (parts.small() ? kSmallPrefix : kPaperPrefix);
  config.update({{"mapping_type", mapping},
                 {"prefix_length", queries},
                 {"normalize_prefix", false},
                 {"image_token_id", parts.id(kPrefixWord)},
                 {"vision_config", vision},
                 {"text_config", parts.text_config(/*grown=*/false)}});
  if (std::string(mapping) == "transformer")
    config.update({{"prefix_length_clip", queries},
                   {"num_layers", parts.small() ? 2 : 8},
                   {"num_heads", parts.small() ? 4 : 8}});
  return config;
}

Result<Json> configure_prefix_mlp(const ConnectorParts& parts) {
  return configure_prefix(parts, "mlp");
}
Result<Json> configure_prefix_transformer(const ConnectorParts& parts) {
  return configure_prefix(parts, "transformer");
}

ComposedStage prefix_stage(bool mlp) {
  std::vector<std::string> settings{"training.learning_rate=2e-5", "training.warmup_steps=5000",
                                    "training.lr_scheduler_type=linear",
                                    "training.num_train_epochs=10"};
  for (std::string& each : batch_settings(40)) settings.push_back(std::move(each));
  ComposedStage stage = freeze_stage("caption", false, true, mlp, std::move(settings));
  stage.learns = mlp ? "Mapper and GPT-2, from pictures and captions."
                     : "The mapper alone, from pictures and captions: GPT-2 stands.";
  stage.paper =
      "Mokady et al. 2021: batches of 40, AdamW with rate 2e-5 and 5,000 steps of warm-up, 10 "
      "epochs in the authors' code";
  return stage;
}

Result<ComposeDraft> lay_out_prefix(const ConnectorParts& parts, const Json& config) {
  const TowerHalf& tower = *parts.tower;
  const std::string where = "config.json";
  LUTHIER_TRY(const std::int64_t prefix, json_int(config, "prefix_length", where, kPaperPrefix));
  LUTHIER_TRY(const std::string mapping, json_string(config, "mapping_type", where, "mlp"));
  const Json vision = config.value("vision_config", Json::object());
  LUTHIER_TRY(const std::int64_t vector, json_int(vision, "projection_dim", where, 512));
  ComposeDraft draft;
  draft.tower_at = "vision_model.";
  draft.tower_beside = {{"visual_projection.weight", tower.projection}};
  draft.language_at = {{"transformer.", "transformer."}, {"lm_head.", "lm_head."}};
  draft.image_processor = parts.picture_processor("CLIPImageProcessor");
  draft.processor = {{"processor_class", "CLIPProcessor"}};
  draft.picture.states = draft.picture.text_tokens = prefix;
  const std::string count = with_commas(prefix), in = with_commas(vector),
                    out = with_commas(parts.language.hidden_size);
  std::string how = in + " -> " + with_commas(parts.language.hidden_size * prefix / 2) +
                    ", tanh, -> " + count + " x " + out;
  if (mapping == "transformer") {
    LUTHIER_TRY(const std::int64_t layers, json_int(config, "num_layers", where, 8));
    LUTHIER_TRY(const std::int64_t read, json_int(config, "prefix_length_clip", where, prefix));
    how = with_commas(read) + " tokens of the vector and " + count + " learned ones through " +
          std::to_string(layers) + " layers of " + out;
  }
  draft.boxes = {parts.picture_box(),
                 {"vision_tower", described(tower), "one vector of " + in + ", CLIP's own"},
                 {"clip_project", how, count + " states of " + out + " before the caption"},
                 parts.language_box()};
  draft.notes.push_back(
      "transformers has no class of the whole: CLIPVisionModelWithProjection and GPT2LMHeadModel "
      "load their halves, and clip_project has the names of the authors' code.");
  draft.stages = {prefix_stage(mapping != "transformer")};
  return draft;
}

Connector prefix_row(const char* key, const char* title) {
  Connector row;
  row.summary = {key,     title, "clipcap", "ClipCaptionModel", "CLIP with its projection",
                 "GPT-2", true,  false};
  row.towers = {TowerKind::Clip};
  row.words = {kPrefixWord};
  row.tables_grow = row.words_have_rows = false;
  row.small_language = "gpt2";
  row.lay_out = lay_out_prefix;
  return row;
}

}  // namespace

Connector prefix_mlp_connector() {
  Connector row = prefix_row("prefix-mlp", "A prefix of CLIP's vector, by two products (ClipCap)");
  row.configure = configure_prefix_mlp;
  return row;
}

Connector prefix_transformer_connector() {
  Connector row =
      prefix_row("prefix-transformer", "A prefix of CLIP's vector, by a transformer (ClipCap)");
  row.configure = configure_prefix_transformer;
  return row;
}

}  // namespace luthier
