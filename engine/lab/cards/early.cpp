// SPDX-License-Identifier: GPL-3.0-or-later
// Patches as words (Fuyu, Bavishi et al. 2023): no tower; a decoder gets each patch through one
// product, row by row, and writes the caption behind them.
#include <algorithm>

#include "engine/lab/card_files.h"
#include "engine/lab/cards/cards.h"

namespace luthier {

namespace {

constexpr int kEarlyPatch = 12;

Result<StagedRecipe> write_early(const CardDraft& draft) {
  // FuyuProcessor's own words: a patch, the end of a row of them, and what an answer begins with.
  const WordTokenizer words{{"<unk>", "<s>", "</s>", "|SPEAKER|", "|NEWLINE|", "<0x04>"},
                            {},
                            {{"bos_token", "<s>"}, {"eos_token", "</s>"}, {"unk_token", "<unk>"}},
                            {},
                            {},
                            128};
  const Json decoder = {{"model_type", "persimmon"},
                        {"vocab_size", words.size()},
                        {"hidden_size", 96},
                        {"intermediate_size", 256},
                        {"num_hidden_layers", 3},
                        {"num_attention_heads", 4},
                        {"hidden_act", "relu2"},
                        {"hidden_dropout", 0.0},
                        {"attention_dropout", 0.0},
                        {"initializer_range", 0.05},
                        {"layer_norm_eps", 1e-5},
                        {"max_position_embeddings", words.longest},
                        {"qk_layernorm", true},
                        {"partial_rotary_factor", 0.5},
                        {"rope_theta", 10000.0},
                        {"tie_word_embeddings", false},
                        {"bos_token_id", words.id("<s>")},
                        {"eos_token_id", words.id("</s>")}};
  const Json config = {{"architectures", {"FuyuForCausalLM"}},
                       {"model_type", "fuyu"},
                       {"dtype", "float32"},
                       {"hidden_size", 96},
                       {"patch_size", kEarlyPatch},
                       {"num_channels", 3},
                       {"image_token_id", words.id("|SPEAKER|")},
                       {"initializer_range", 0.05},
                       {"text_config", decoder},
                       {"bos_token_id", words.id("<s>")},
                       {"eos_token_id", words.id("</s>")}};
  const Json patch = {{"height", kEarlyPatch}, {"width", kEarlyPatch}};
  const Json pictures = {{"image_processor_type", "FuyuImageProcessor"},
                         {"do_resize", true},
                         {"size", {{"height", kScenePixels}, {"width", kScenePixels}}},
                         {"resample", 2},
                         {"do_pad", true},
                         {"padding_value", 1.0},
                         {"padding_mode", "constant"},
                         {"do_normalize", true},
                         {"image_mean", 0.5},
                         {"image_std", 0.5},
                         {"do_rescale", true},
                         {"rescale_factor", 1.0 / 255.0},
                         {"patch_size", patch}};
  LUTHIER_CHECK(write_word_tokenizer(words, draft.model()));
  LUTHIER_CHECK(write_model_file(draft, "config.json", config));
  LUTHIER_CHECK(
      write_model_file(draft, "processor_config.json",
                       {{"image_processor", pictures}, {"processor_class", "FuyuProcessor"}}));
  LUTHIER_CHECK(write_scene_rows(draft, described_row, /*pictures=*/true));
  LUTHIER_TRY(Recipe recipe, described_recipe(draft, "full"));
  return StagedRecipe{{}, {{"captions", false, std::move(recipe)}}};
}

}  // namespace

LabCard early_card() {
  LabCard card;
  card.key = "early";
  card.title = "Patches as words (Fuyu)";
  card.place = {CardPlace::Fusion::Early, CardPlace::Mechanism::Generation,
                CardPlace::Pattern::DecoderOnly, "sft", CardPlace::Mask::Causal};
  card.learns =
      "There is no tower: each patch goes through one product into the row of a decoder, which "
      "then writes what the picture shows.";
  card.look =
      "Patches stand in the row like words and look back alone, too; a mark ends each row of "
      "them. Only the caption is learned from.";
  card.figure = "eval_probe/exact_match";
  card.figure_is = "captions that are right to the word";
  card.chance = 0.01;
  card.goal = 0.6;
  card.steps = 500;
  card.minutes = 1.5;
  card.write = write_early;
  return card;
}

}  // namespace luthier
