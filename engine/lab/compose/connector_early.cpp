// SPDX-License-Identifier: GPL-3.0-or-later
// Fuyu (Adept 2023): no tower; one product makes a token of each patch, in the language model
// itself. FuyuForCausalLM takes any decoder in Persimmon's place.
#include "engine/lab/compose/connector.h"

namespace luthier {

namespace {

constexpr const char *kPatchMark = "|SPEAKER|", *kRowMark = "|NEWLINE|",
                     *kFuyuClass = "FuyuForCausalLM";
constexpr std::int64_t kFrameHeight = 1080, kFrameWidth = 1920;  // the published processor's

Result<Json> configure_early(const ConnectorParts& parts) {
  Json config = parts.config(kFuyuClass, "fuyu");
  config.update({{"hidden_size", parts.language.hidden_size},
                 {"vocab_size", parts.language.vocab_size + parts.rows_lacking},
                 {"patch_size", parts.small() ? 24 : 30},
                 {"num_channels", 3},
                 {"image_token_id", parts.id(kPatchMark)},
                 {"initializer_range", 0.02},
                 {"tie_word_embeddings", parts.language.tied},
                 {"text_config", parts.text_config()}});
  return config;
}

/// The frame that pictures are made to fit: the published one, unless its tokens would take more
/// than half of the positions; then the largest square that does not.
std::pair<std::int64_t, std::int64_t> frame_of(const ConnectorParts& parts, std::int64_t patch) {
  const auto up = [patch](std::int64_t side) { return (side + patch - 1) / patch; };
  const std::int64_t room =
      parts.language.positions > 0 ? parts.language.positions / 2 : std::int64_t{1} << 40;
  if (!parts.small() && up(kFrameHeight) * (up(kFrameWidth) + 1) <= room)
    return {up(kFrameHeight) * patch, up(kFrameWidth) * patch};
  std::int64_t side = 1;
  const std::int64_t most = parts.small() ? 3 : 64;
  while (side < most && (side + 1) * (side + 2) <= room) ++side;
  return {side * patch, side * patch};
}

Result<ComposeDraft> lay_out_early(const ConnectorParts& parts, const Json& config) {
  LUTHIER_TRY(const std::int64_t patch, json_int(config, "patch_size", "config.json", 30));
  if (patch < 1 || patch > 1024)
    return input_error("Patches have 1 to 1024 pixels a side.", "config.json: patch_size");
  const auto [height, width] = frame_of(parts, patch);
  const std::int64_t rows = height / patch, columns = width / patch, tokens = rows * (columns + 1);
  ComposeDraft draft;
  draft.language_at = {{"model.language_model.", "model."}, {"lm_head.", "lm_head."}};
  draft.image_processor = {{"image_processor_type", "FuyuImageProcessor"},
                           {"do_resize", true},
                           {"size", {{"height", height}, {"width", width}}},
                           {"resample", 2},
                           {"do_pad", true},
                           {"padding_value", 1.0},
                           {"padding_mode", "constant"},
                           {"do_normalize", true},
                           {"image_mean", {0.5, 0.5, 0.5}},
                           {"image_std", {0.5, 0.5, 0.5}},
                           {"do_rescale", true},
                           {"rescale_factor", 1.0 / 255.0},
                           {"patch_size", {{"height", patch}, {"width", patch}}}};
  draft.processor = {{"processor_class", "FuyuProcessor"}};
  draft.picture = {height, width, patch, 0, rows * columns, tokens};
  const std::string side = std::to_string(patch), out = with_commas(parts.language.hidden_size);
  draft.boxes = {
      {"picture", "3 x " + std::to_string(height) + " x " + std::to_string(width) + " at most",
       "up to " + std::to_string(rows) + " rows of " + std::to_string(columns) + " patches of " +
           side + " x " + side},
      {"projector", "vision_embed_tokens " + with_commas(3 * patch * patch) + " -> " + out,
       "up to " + with_commas(tokens) + " tokens of " + out + " (a patch is a " + kPatchMark +
           ", a row ends in a " + kRowMark + ")"},
      parts.language_box()};
  ComposedStage stage;
  stage.name = "all", stage.learns = "The whole model, from captions and questions together.";
  stage.projector = stage.language_model = true;
  stage.paper = "Adept 2023 trains all of it at once and names no numbers; these are the program's";
  stage.strategy = "full";
  stage.settings = {"training.num_train_epochs=1"};
  draft.stages = {std::move(stage)};
  for (const ComposedWord& word : parts.words)
    if (word.text == kPatchMark && word.entered)
      draft.notes.push_back(
          "transformers' FuyuProcessor takes away the first token of a picture, as its own "
          "tokenizer "
          "puts a space there; this one puts none, so that a row has to be tokenized here, or "
          "there "
          "without that class. The model itself is transformers'.");
  return draft;
}

}  // namespace

Connector early_connector() {
  Connector row;
  row.summary = {"early", "Patches as tokens, without a tower (Fuyu)",
                 "fuyu",  kFuyuClass,
                 "",      "Persimmon, or any decoder",
                 false,   false};
  row.words = {"<s>", kPatchMark, kRowMark, "<0x04>"};
  row.configure = configure_early;
  row.lay_out = lay_out_early;
  return row;
}

}  // namespace luthier
