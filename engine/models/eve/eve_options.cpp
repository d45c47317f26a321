// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/eve/eve_options.h"

#include "engine/models/config_numbers.h"
#include "engine/models/processor_files.h"
#include "engine/vision/processor_settings.h"

namespace luthier::eve {

namespace {

/// CLIP's picture stands behind a picture's own patches where there are layers that look at it, and
/// nowhere else.
Status check_teacher_picture(const Options& o, const Json& settings, const std::string& where) {
  LUTHIER_TRY(const bool made,
              json_bool(settings, "teacher_picture", where, o.aligner.has_value()));
  if (made == o.aligner.has_value()) return {};
  return input_error(
      made ? "The picture processor makes CLIP's picture beside each one, and config.json names no "
             "alignment_config, whose layers look at it."
           : "The picture processor makes no picture of CLIP's, and config.json names an "
             "alignment_config, whose layers look at it.",
      where + ": teacher_picture", "Leave it out: it goes by config.json.");
}

}  // namespace

Result<Options> read_options(const Json& config, const std::string& where) {
  Options o;
  Json text = config;
  text["model_type"] = "llama";
  LUTHIER_TRY(o.text, read_decoder_options(text, where));
  o.tie_word_embeddings = o.text.tie_word_embeddings;
  LUTHIER_CHECK(read_in_range(config, "mm_hidden_size", where, 1, 1 << 20, o.vision.width));
  if (o.vision.width % kHeads != 0)
    return input_error("The patch embedding's " + std::to_string(o.vision.width) +
                           " numbers do not divide into " + std::to_string(kHeads) + " heads.",
                       where + ": mm_hidden_size",
                       "It must be a multiple of " + std::to_string(kHeads) + ".");
  LUTHIER_CHECK(read_in_range(config, "patch_stride", where, 1, 1 << 10, o.vision.patch_stride));
  LUTHIER_CHECK(read_in_range(config, "conv_stride", where, 1, 64, o.vision.conv_stride));
  LUTHIER_TRY(const std::string projector,
              json_string(config, "mm_projector_type", where, "mlp2x_gelu"));
  if (projector != "mlp2x_gelu")
    return input_error("The projector \"" + projector + "\" is not one that Luthier makes here.",
                       where + ": mm_projector_type", "EVE's is mlp2x_gelu.");
  if (config.contains("alignment_config")) {
    LUTHIER_TRY(const Json own, config_section(config, "alignment_config", where));
    const std::string at = where + ": alignment_config";
    AlignerSizes sizes;
    LUTHIER_CHECK(read_in_range(own, "hidden_size", at, 1, 1 << 16, sizes.width));
    LUTHIER_CHECK(read_in_range(own, "image_size", at, 1, 1 << 14, sizes.image_size));
    LUTHIER_CHECK(
        read_in_range(own, "layer_rate", at, 1, o.text.num_hidden_layers, sizes.layer_rate));
    if (sizes.width % kHeads != 0)
      return input_error("The teacher's " + std::to_string(sizes.width) +
                             " numbers do not divide into " + std::to_string(kHeads) + " heads.",
                         at + ": hidden_size",
                         "It must be a multiple of " + std::to_string(kHeads) + ".");
    if (sizes.image_size % o.vision.patch_stride != 0)
      return input_error(std::to_string(sizes.image_size) + " is no multiple of " +
                             std::to_string(o.vision.patch_stride) + ".",
                         at + ": image_size", "It must be a multiple of patch_stride.");
    o.aligner = sizes;
  }
  constexpr std::int64_t kMostIds = 1 << 24;
  LUTHIER_TRY(o.image_token_id,
              read_image_token(config, {"image_token_id"}, o.text.vocab_size, kMostIds, where));
  return o;
}

ProcessorDefaults picture_processor(const Options& o) {
  Json settings = {{"image_processor_type", "EveImageProcessor"}};
  if (o.aligner) settings["teacher_picture"] = true;
  return {"EveImageProcessor", std::move(settings)};
}

Result<ImageTokens> image_tokens(const Options& o, const std::filesystem::path& folder) {
  LUTHIER_TRY(const auto settings, detail::read_picture_settings(folder, picture_processor(o)));
  const auto check = [&](const char* key, std::int64_t standard, std::int64_t own) {
    return check_processor_number(settings.config, settings.where, key, standard, own);
  };
  LUTHIER_CHECK(check("patch_stride", 14, o.vision.patch_stride));
  LUTHIER_CHECK(check("conv_stride", 2, o.vision.conv_stride));
  if (o.aligner) LUTHIER_CHECK(check("image_size_clip", 336, o.aligner->image_size));
  LUTHIER_TRY(const auto file,
              detail::read_picture_settings(folder, {"EveImageProcessor", Json::object()}));
  LUTHIER_CHECK(check_teacher_picture(o, file.config, file.where));
  LUTHIER_TRY(const auto processor, ImageProcessor::create(settings.config, settings.where));
  constexpr int kSquareEdge = 64;  // a square picture has the most tokens
  LUTHIER_TRY(const PixelValues outline,
              outline_of(*processor, kSquareEdge, kSquareEdge, settings.where));
  const std::int64_t most = squares_of(outline.grid, o.vision.conv_stride).tokens(),
                     positions = o.text.rotary.max_position_embeddings;
  if (most >= positions)
    return input_error("A square picture is " + std::to_string(most) +
                           " tokens, and the language model has positions for " +
                           std::to_string(positions) + ".",
                       settings.where + ": image_size", "Make image_size smaller.");
  ImageTokens tokens;
  LUTHIER_TRY(tokens.mark, tokenizer_attribute(folder, "image_token", "<image>"));
  tokens.expand = [mark = tokens.mark, side = o.vision.conv_stride](const PixelValues& pixels) {
    return repeated(mark, squares_of(pixels.grid, side).tokens());
  };
  return tokens;
}

}  // namespace luthier::eve
