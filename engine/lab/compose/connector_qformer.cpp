// SPDX-License-Identifier: GPL-3.0-or-later
// BLIP-2 (Li et al. 2023): learned queries look at the tower's states through a Q-Former and stand
// before the words, as Blip2ForConditionalGeneration has it. transformers begins the queries at 0,
// where all of them are alike and stay so; here they are drawn, as the authors' code does. Where
// the tower's folder is what the first stage left, queries and Q-Former are that one's.
#include "engine/lab/compose/connector.h"

namespace luthier {

namespace {

constexpr const char *kQueryWord = "<image>", *kBlip2Class = "Blip2ForConditionalGeneration";

/// The first stage's Q-Former as the second has it: it reads no text.
Json second_stage_qformer(const Json& first) {
  Json qformer = first.value("qformer_config", Json::object());
  qformer["use_qformer_text_input"] = false;
  qformer.erase("bos_token_id");
  return qformer;
}

/// As many as the first stage has, where it left them.
Result<std::int64_t> queries_of(const ConnectorParts& parts) {
  const std::int64_t asked = parts.order.queries;
  if (parts.tower->first_stage.is_null())
    return asked > 0 ? asked : std::int64_t{parts.small() ? 8 : 32};
  LUTHIER_TRY(const std::int64_t queries,
              json_int(parts.tower->first_stage, "num_query_tokens",
                       (parts.tower->folder / "config.json").string(), 32));
  if (asked == 0 || asked == queries) return queries;
  return input_error("The first stage left " + std::to_string(queries) + " queries.", "--queries",
                     "Leave it out.");
}

Result<Json> configure_qformer(const ConnectorParts& parts) {
  const bool small = parts.small();
  Json config = parts.config(kBlip2Class, "blip-2");
  Json vision = parts.vision_config("blip_2_vision_model");
  vision["qkv_bias"] = parts.tower->qkv_bias;
  const Json& first = parts.tower->first_stage;
  Json qformer = {{"model_type", "blip_2_qformer"},
                  {"hidden_size", small ? 96 : 768},
                  {"num_hidden_layers", small ? 2 : 12},
                  {"num_attention_heads", small ? 4 : 12},
                  {"intermediate_size", small ? 256 : 3072},
                  {"cross_attention_frequency", small ? 1 : 2},
                  {"encoder_hidden_size", parts.tower->sizes.hidden_size},
                  {"layer_norm_eps", 1e-12},
                  {"hidden_act", "gelu"},
                  {"initializer_range", 0.02}};
  if (!first.is_null()) qformer = second_stage_qformer(first);
  LUTHIER_TRY(const std::int64_t queries, queries_of(parts));
  config.update({{"image_token_index", parts.id(kQueryWord)},
                 {"num_query_tokens", queries},
                 {"initializer_range", 0.02},
                 {"tie_word_embeddings", parts.language.tied},
                 {"vision_config", vision},
                 {"qformer_config", qformer},
                 {"text_config", parts.text_config()}});
  return config;
}

/// `done`: the first has left what the second begins with.
std::vector<ComposedStage> blip2_stages(bool done) {
  ComposedStage first = freeze_stage("represent", false, true, false, {});
  first.learns =
      "The Q-Former without the language model, from pictures and captions: contrast, matching and "
      "captioning.";
  first.paper = "Li et al. 2023: 129 M pictures, 250 K steps, batches of 2,320, rate 1e-4";
  first.settings.clear();
  first.lacks =
      done ? "The tower's folder is what this stage left."
           : "This stage comes before, over a Blip2ForImageTextRetrieval (objective: "
             "image_text_pretraining); give its result as --tower. As it is, the Q-Former begins "
             "the second as it was drawn.";
  std::vector<std::string> settings{
      "training.learning_rate=1e-4", "training.adam_beta2=0.98",
      "training.weight_decay=0.05",  "training.warmup_ratio=0.025",
      "training.num_train_epochs=1", "training.lr_scheduler_type=cosine"};
  for (std::string& each : batch_settings(1920)) settings.push_back(std::move(each));
  ComposedStage second = freeze_stage("generate", false, true, false, std::move(settings));
  second.learns = "Q-Former, queries and projection, from pictures and captions.";
  second.paper =
      "Li et al. 2023: 80 K steps, 2,000 of them warm-up, batches of 1,920, rate 1e-4, weight "
      "decay 0.05, second moment 0.98";
  return {std::move(first), std::move(second)};
}

Result<ComposeDraft> lay_out_qformer(const ConnectorParts& parts, const Json& config) {
  const TowerHalf& tower = *parts.tower;
  const std::string where = "config.json";
  LUTHIER_TRY(const std::int64_t queries, json_int(config, "num_query_tokens", where, 32));
  const Json qformer = config.value("qformer_config", Json::object());
  LUTHIER_TRY(const std::int64_t width,
              json_int(qformer, "hidden_size", where + ": qformer_config", 768));
  LUTHIER_TRY(const std::int64_t layers,
              json_int(qformer, "num_hidden_layers", where + ": qformer_config", 12));
  LUTHIER_TRY(const std::int64_t each,
              json_int(qformer, "cross_attention_frequency", where + ": qformer_config", 2));
  ComposeDraft draft;
  draft.tower_at = "vision_model.";
  draft.language_at = {{"language_model.", ""}};
  draft.image_processor = parts.picture_processor("BlipImageProcessor");
  draft.processor = {{"num_query_tokens", queries}, {"processor_class", "Blip2Processor"}};
  draft.picture.states = draft.picture.text_tokens = queries;
  const std::string count = with_commas(queries), out = with_commas(parts.language.hidden_size);
  draft.boxes = {
      parts.picture_box(),
      {"vision_tower", described(tower),
       with_commas(tower.tokens()) + " states of " + with_commas(tower.sizes.hidden_size)},
      {"qformer",
       count + " queries through " + std::to_string(layers) + " layers of " + with_commas(width) +
           (each > 1 ? ", one in " + std::to_string(each) + " of which looks at the states"
                     : ", each of which looks at the states"),
       count + " states of " + with_commas(width)},
      {"language_projection", with_commas(width) + " -> " + out,
       count + " tokens of " + out + " before the question"},
      parts.language_box()};
  const bool done = !tower.first_stage.is_null();
  if (done) draft.tower_beside = {{"query_tokens", "query_tokens"}, {"qformer.", "qformer."}};
  draft.notes.push_back(
      done
          ? "Queries and Q-Former are the first stage's; its words, its text feed-forwards and its "
            "heads stay behind."
          : "The queries are drawn, as the authors' code has them: transformers begins them at 0, "
            "where all are alike and stay so.");
  draft.stages = blip2_stages(done);
  return draft;
}

}  // namespace

Connector qformer_connector() {
  Connector row;
  row.summary = {"qformer",   "Queries that look at the states (BLIP-2)",
                 "blip-2",    kBlip2Class,
                 "ViT, BLIP", "OPT, Llama, Mistral, Qwen2",
                 true,        false};
  row.towers = {TowerKind::Blip, TowerKind::Vit};
  row.small_tower = TowerKind::Blip;
  row.words = {kQueryWord};
  row.configure = configure_qformer;
  row.lay_out = lay_out_qformer;
  return row;
}

}  // namespace luthier
