// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/gemma4/media.h"

#include "engine/base/log.h"
#include "engine/models/class_arguments.h"
#include "engine/models/processor_files.h"
#include "engine/nn/module_cost.h"
#include "engine/nn/rms_norm.h"
#include "engine/vision/processor_settings.h"

namespace luthier {

using torch::Tensor;

namespace {

constexpr const char* kGemma4Blocks = "blocks";

/// A processor that cuts other patches than the model takes would fail in the middle of a run.
Status check_gemma4_processor(const Gemma4Patches& own, const std::filesystem::path& folder) {
  LUTHIER_TRY(const auto settings,
              detail::read_picture_settings(folder, ProcessorDefaults{own.processor}));
  LUTHIER_TRY(const auto processor, ImageProcessor::create(settings.config, settings.where));
  const auto check = [&](const char* key, std::int64_t standard, std::int64_t wanted) {
    return check_processor_number(settings.config, settings.where, key, standard, wanted);
  };
  LUTHIER_CHECK(check("patch_size", 16, own.patch_size));
  LUTHIER_CHECK(check("pooling_kernel_size", 3, own.pooling));
  const int edge = static_cast<int>(own.patch_size * own.pooling);
  LUTHIER_TRY(const PixelValues outline, outline_of(*processor, edge, edge, settings.where));
  if (outline.shape.size() != 2 || outline.shape[1] != own.numbers || outline.grid.size() != 5)
    return other_processor(settings.where, own.processor);
  const std::int64_t longest = outline.grid[4] / outline.grid[3];
  if (longest <= own.positions) return {};
  return input_error(
      "A picture may be " + std::to_string(longest) + " patches long, the tower has places for " +
          std::to_string(own.positions) + ".",
      settings.where + ": max_soft_tokens", "Processor and weights do not belong together.");
}

}  // namespace

Status read_gemma4_media(const Json& config, const std::string& where, const char* text_type,
                         Gemma4MediaOptions& o) {
  LUTHIER_TRY(const Json text, config_section(config, "text_config", where));
  LUTHIER_TRY(const Json audio, config_section(config, "audio_config", where));
  o.hears = !audio.empty();
  LUTHIER_TRY(o.text, read_decoder_options(text, where + ": text_config", text_type));
  if (o.text.model_type != text_type || !o.text.gemma4)
    return input_error("The decoder \"" + o.text.model_type + "\" is not this family's.",
                       where + ": text_config: model_type",
                       "It is " + std::string(text_type) + ".");
  LUTHIER_TRY(o.tie_word_embeddings, json_bool(config, "tie_word_embeddings", where, true));
  // They may lie behind the vocabulary: what is looked up in their places is padding.
  constexpr std::int64_t kMostIds = 1 << 24;
  LUTHIER_TRY(o.image_token_id,
              read_image_token(config, {"image_token_id"}, o.image_token_id, kMostIds, where));
  for (const auto& [key, standard] :
       {std::pair{"video_token_id", 258884}, std::pair{"audio_token_id", 258881}}) {
    if (const auto found = config.find(key); found != config.end() && found->is_null()) continue;
    LUTHIER_TRY(const TokenId id, json_int(config, key, where, standard));
    o.other_media.push_back(id);
  }
  return {};
}

Gemma4Embedder::Gemma4Embedder(std::int64_t width, std::int64_t text_width, double epsilon,
                               const torch::TensorOptions& t)
    : epsilon_(epsilon) {
  embedding_projection_ =
      register_module("embedding_projection", Linear(width, text_width, false, t));
}

Tensor Gemma4Embedder::forward(const Tensor& features) {
  return embedding_projection_(unweighted_rms_norm(features, epsilon_));
}

ProjectorCost Gemma4Embedder::cost(const Pass& pass, bool flows) const {
  const StepTerms& terms = pass.terms;
  const TrainedShare share = terms.of(*embedding_projection_);
  const std::int64_t width = embedding_projection_->in_features(), tokens = pass.pictures.tokens;
  ProjectorCost cost;
  cost.trains = share.trains;
  cost.kept = projector_kept(terms, tokens, width, 0, share, {});
  if (flows) cost.kept += terms.block(tokens * width) + terms.floats(tokens) + terms.block(width);
  return cost;
}

TokenSequence Gemma4MediaModel::embed(const ModelInput& input) {
  // What stands for pictures, films and sound is padding to the embeddings.
  Tensor media = input.input_ids == image_;
  for (const TokenId other : others_) media = media.logical_or(input.input_ids == other);
  const Tensor ids = input.input_ids.masked_fill(media, layers().padding);
  TokenSequence sequence;
  sequence.rows = row_layout(input);
  sequence.embeddings = decoder()->embed(ids);
  if (layers().per_layer_width > 0) sequence.ids = ids;
  if (input.pictures.empty()) return sequence;
  const Tensor features =
      project(input.tower_features.defined() ? input.tower_features : tower(input), input);
  sequence.embeddings = place_features(sequence.embeddings, image_places(input), features);
  if (!layers().picture_blocks) return sequence;
  const auto made = input.aside.find(kGemma4Blocks);
  sequence.blocks = made != input.aside.end() ? made->second : image_blocks(input.input_ids);
  return sequence;
}

void Gemma4MediaModel::prepare(ModelInput& input) const {
  TowerModel::prepare(input);
  if (!input.pictures.empty() && layers().picture_blocks)
    input.aside[kGemma4Blocks] = image_blocks(input.input_ids);
}

Result<ImageTokens> gemma4_image_tokens(const Gemma4Patches& own,
                                        const std::filesystem::path& folder) {
  LUTHIER_CHECK(check_gemma4_processor(own, folder));
  if (own.hears)
    log_info((folder / "config.json").string() +
             ": audio_config: The tower for sound is left unread, and what is saved has none.");
  ImageTokens tokens;
  LUTHIER_TRY(tokens.mark, tokenizer_attribute(folder, "image_token", "<|image|>"));
  LUTHIER_TRY(const std::string begin, tokenizer_attribute(folder, "boi_token", "<|image>"));
  LUTHIER_TRY(const std::string end, tokenizer_attribute(folder, "eoi_token", "<image|>"));
  tokens.expand = [begin, end, mark = tokens.mark, block = own.block](const PixelValues& pixels) {
    return begin + repeated(mark, pixels.grid.at(1) * pixels.grid.at(2) / block) + end;
  };
  return tokens;
}

Tensor gemma4_layout(const ModelInput& input) {
  std::vector<Tensor> pictures;
  std::int64_t first = 0;
  for (const PictureFacts& picture : input.pictures) {
    const std::int64_t rows = picture.grid.at(1), columns = picture.grid.at(2),
                       side = picture.grid.at(3), most = picture.grid.at(4), count = rows * columns;
    const Tensor patches = input.pixel_values.slice(0, first, first + count)
                               .view({rows / side, columns / side, side, side, -1})
                               .transpose(1, 2)
                               .reshape({count, -1});
    pictures.push_back(at::constant_pad_nd(patches, {0, 0, 0, most - count}));
    first += count;
  }
  return at::stack(pictures);
}

Status gemma4_given(const GivenArguments& given, std::int64_t side, const Json& config,
                    ModelInput& input) {
  constexpr const char* kPlaces = "image_position_ids";
  LUTHIER_TRY(const Tensor pixels, given.wanted("pixel_values"));
  LUTHIER_TRY(const Tensor places, given.wanted(kPlaces));
  if (pixels.dim() != 3) return given.shape_error("pixel_values", "[pictures, patches, numbers]");
  if (places.dim() != 3 || places.size(2) != 2 ||
      !places.sizes().slice(0, 2).equals(pixels.sizes().slice(0, 2)))
    return given.shape_error(kPlaces, "[pictures, patches, 2]");
  std::vector<GivenMedium> pictures;
  for (std::int64_t i = 0; i < pixels.size(0); ++i) {
    const Tensor own = places[i].ge(0).all(1).nonzero().squeeze(1);
    const Tensor there = places[i].index_select(0, own).to(torch::kInt64);
    if (own.numel() == 0) return given.shape_error(kPlaces, "places of at least one patch");
    const Tensor column = there.select(1, 0), row = there.select(1, 1);
    const std::int64_t rows = row.max().item<std::int64_t>() + 1,
                       columns = column.max().item<std::int64_t>() + 1;
    const Tensor order = at::argsort(row * columns + column);
    const bool whole =
        own.numel() == rows * columns && rows % side == 0 && columns % side == 0 &&
        (row * columns + column).index_select(0, order).equal(torch::arange(rows * columns));
    if (!whole)
      return given.shape_error(
          kPlaces, "places of whole squares of " + std::to_string(side) + " patches a side");
    pictures.push_back({{rows * columns, {1, rows, columns, side, pixels.size(1)}},
                        pixels[i]
                            .index_select(0, own.index_select(0, order))
                            .to(torch::kFloat32)
                            .view({rows / side, side, columns / side, side, -1})
                            .transpose(1, 2)
                            .reshape({rows * columns, -1})});
  }
  return given.put_media(pictures, {}, config, input);
}

void gemma4_without_sound(Json& config) {
  if (config.contains("audio_config")) config["audio_config"] = nullptr;
}

}  // namespace luthier
