// SPDX-License-Identifier: GPL-3.0-or-later
// EVE (Diao et al. 2024): no tower; patches through one shallow layer and two products into the
// places of <image>. While it learns, what it says of the patches may be held against a tower's,
// which stands in a folder of its own. transformers has no class of it; LlamaForCausalLM loads its
// half of what is written.
#include "engine/lab/compose/connector.h"

namespace luthier {

namespace {

constexpr const char* kEveWord = "<image>";

/// The published sizes, or those of a small one.
struct EncoderFreeSizes {
  std::int64_t patch = 14, square = 2, image = 672, clip = 336, width = 1024;
};

EncoderFreeSizes encoder_free_sizes(const ConnectorParts& parts) {
  if (!parts.small()) return {};
  return {12, 2, 72, 36, (parts.language.hidden_size + 7) / 8 * 8};
}

Result<Json> configure_encoder_free(const ConnectorParts& parts) {
  if (parts.language.type != "llama")
    return input_error(
        "EVE's language model is a Llama, and this one is a " + parts.language.type + ".",
        parts.language.folder.empty() ? "--language-model" : parts.language.folder.string(),
        "Give the folder of a Llama.");
  const EncoderFreeSizes sizes = encoder_free_sizes(parts);
  Json config = parts.config("EVELlamaForCausalLM", "eve");
  Json text = parts.text_config(/*grown=*/false);
  text.erase("model_type");
  config.update(text);
  config.update({{"mm_hidden_size", sizes.width},
                 {"mm_projector_type", "mlp2x_gelu"},
                 {"requires_cliploss", false},
                 {"patch_stride", sizes.patch},
                 {"conv_stride", sizes.square},
                 {"image_token_id", parts.id(kEveWord)}});
  if (!parts.small())
    config["alignment_config"] = {{"hidden_size", 1024}, {"image_size", sizes.clip}};
  return config;
}

ComposedStage encoder_free_stage(const char* name, bool aligned, bool language,
                                 std::vector<std::string> numbers, std::int64_t batch) {
  numbers.insert(numbers.end(), {"training.num_train_epochs=1", "training.lr_scheduler_type=cosine",
                                 "training.weight_decay=0"});
  for (std::string& each : batch_settings(batch)) numbers.push_back(std::move(each));
  if (aligned)
    numbers.insert(numbers.end(), {"objective=visual_alignment",
                                   "visual_alignment.teacher=openai/clip-vit-large-patch14-336"});
  return freeze_stage(name, true, true, language, std::move(numbers));
}

std::vector<ComposedStage> encoder_free_stages(bool aligned) {
  ComposedStage first =
      encoder_free_stage("prealign", aligned, false,
                         {"training.learning_rate=4e-4", "training.warmup_ratio=0.03"}, 512);
  first.learns = "What stands before the language model, from pictures and captions.";
  first.paper = "Diao et al. 2024: 16 M captions, one epoch, batches of 512, rate 4e-4";
  ComposedStage second =
      encoder_free_stage("pretrain", aligned, true,
                         {"training.learning_rate=4e-5", "training.warmup_ratio=0.01"}, 512);
  second.learns = "The whole model, from pictures and captions.";
  second.paper = "Diao et al. 2024: 33 M captions, one epoch, batches of 512, rate 4e-5";
  ComposedStage third = encoder_free_stage(
      "instruct", false, true, {"training.learning_rate=2e-5", "training.warmup_ratio=0.01"}, 128);
  third.learns = "The whole model, from questions about pictures, without a teacher.";
  third.paper = "Diao et al. 2024: 665 K conversations, one epoch, batches of 128, rate 2e-5";
  return {std::move(first), std::move(second), std::move(third)};
}

Result<ComposeDraft> lay_out_encoder_free(const ConnectorParts& parts, const Json& config) {
  EncoderFreeSizes sizes = encoder_free_sizes(parts);
  const std::string where = "config.json";
  LUTHIER_TRY(sizes.patch, json_int(config, "patch_stride", where, sizes.patch));
  LUTHIER_TRY(sizes.square, json_int(config, "conv_stride", where, sizes.square));
  LUTHIER_TRY(sizes.width, json_int(config, "mm_hidden_size", where, sizes.width));
  if (sizes.patch < 1 || sizes.patch > 1024 || sizes.square < 1 || sizes.square > 64)
    return input_error("Patches have 1 to 1024 pixels a side, and squares 1 to 64 patches.",
                       where + ": patch_stride");
  const Json aligned = config.value("alignment_config", Json());
  if (aligned.is_object()) {
    LUTHIER_TRY(sizes.clip, json_int(aligned, "image_size", where, sizes.clip));
    sizes.image = 2 * sizes.clip;
  }
  ComposeDraft draft;
  draft.language_at = {{"model.embed_tokens.", "model.embed_tokens."},
                       {"model.layers.", "model.layers."},
                       {"model.norm.", "model.norm."},
                       {"lm_head.", "lm_head."}};
  draft.image_processor = {{"image_processor_type", "EveImageProcessor"},
                           {"image_size", sizes.image},
                           {"image_size_clip", sizes.clip},
                           {"patch_stride", sizes.patch},
                           {"patch_stride_clip", sizes.patch},
                           {"conv_stride", sizes.square},
                           {"do_resize", false},
                           {"do_center_crop", false},
                           {"do_normalize", true},
                           {"resample", 3},
                           {"image_mean", {0.48145466, 0.4578275, 0.40821073}},
                           {"image_std", {0.26862954, 0.26130258, 0.27577711}}};
  draft.processor = {{"processor_class", "EveProcessor"}};
  draft.mark = {std::string(kEveWord) + "\\n"};
  const std::int64_t side = sizes.image / (sizes.patch * sizes.square),
                     tokens = 1 + side * (side + 1);
  draft.picture = {sizes.image, sizes.image, sizes.patch, 0, tokens, tokens};
  const std::string width = with_commas(sizes.width), out = with_commas(parts.language.hidden_size),
                    edge = std::to_string(sizes.image), patch = std::to_string(sizes.patch);
  draft.boxes = {
      {"picture", "3 x " + edge + " x " + edge + " at most",
       "patches of " + patch + " x " + patch + ", in squares of " + std::to_string(sizes.square) +
           " x " + std::to_string(sizes.square)},
      {"vision_tower", "patch_embedding, local and global attention, " + width + " wide",
       "up to " + with_commas(tokens) + " states: a class token, " + std::to_string(side) +
           " rows of " + std::to_string(side) + " squares, and what ends each"},
      {"projector", "0 " + width + " -> " + out + ", gelu, 2 " + out + " -> " + out,
       "up to " + with_commas(tokens) + " tokens of " + out + " in the places of <image>"},
      parts.language_box()};
  draft.notes.push_back(
      "transformers has no class of the whole: LlamaForCausalLM loads its half, and the rest has "
      "the names of the authors' code.");
  if (aligned.is_object())
    draft.notes.push_back(
        "The first two stages hold the patches against visual_alignment.teacher, a CLIP of "
        "alignment_config's sizes. A model that needs its aligning layers no more loses them when "
        "alignment_config is taken out of its config.json.");
  draft.stages = encoder_free_stages(aligned.is_object());
  return draft;
}

}  // namespace

Connector encoder_free_connector() {
  Connector row;
  row.summary = {"encoder-free",
                 "Patches through one shallow layer, without a tower (EVE)",
                 "eve",
                 "EVELlamaForCausalLM",
                 "",
                 "Llama",
                 false,
                 false};
  row.words = {kEveWord};
  row.tables_grow = row.words_have_rows = false;
  row.configure = configure_encoder_free;
  row.lay_out = lay_out_encoder_free;
  return row;
}

}  // namespace luthier
