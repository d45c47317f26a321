// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/llava_next/llava_onevision.h"

#include "engine/models/class_arguments.h"
#include "engine/models/llava/llava_names.h"
#include "engine/models/processor_files.h"
#include "engine/vision/pinpoints.h"

namespace luthier {

namespace {

constexpr const char* kOnevisionProcessor = "LlavaOnevisionImageProcessor";
constexpr std::int64_t kMostTiles = 4096;

bool says(const Json& config, const char* key) {
  const auto found = config.find(key);
  return found != config.end() && !found->is_null();
}

/// What LlavaOnevisionConfig fills in where LlavaConfig would fill in something else.
Result<Json> completed(Json config, const std::string& where) {
  const auto fill = [](Json& section, const char* key, Json value) {
    if (!says(section, key)) section[key] = std::move(value);
  };
  LUTHIER_TRY(Json vision, config_section(config, "vision_config", where));
  LUTHIER_TRY(Json text, config_section(config, "text_config", where));
  if (vision.empty()) {
    vision = {{"hidden_size", 1152},     {"intermediate_size", 4304}, {"patch_size", 14},
              {"image_size", 384},       {"num_hidden_layers", 26},   {"num_attention_heads", 16},
              {"vision_use_head", false}};
  }
  fill(vision, "model_type", "siglip_vision_model");
  fill(text, "model_type", "qwen2");
  config["vision_config"] = std::move(vision);
  config["text_config"] = std::move(text);
  fill(config, "vision_feature_layer", -1);
  fill(config, "vision_feature_select_strategy", "full");
  if (!says(config, "image_token_id")) fill(config, "image_token_index", 151646);
  if (!says(config, "image_grid_pinpoints")) {
    Json& pinpoints = config["image_grid_pinpoints"] = Json::array();
    for (const detail::Extent& pinpoint : detail::onevision_pinpoints())
      pinpoints.push_back({pinpoint.height, pinpoint.width});
  }
  return config;
}

/// The N of "anyres_max_N".
Result<std::int64_t> read_most_tiles(const Json& config, const std::string& where) {
  constexpr const char* kKey = "vision_aspect_ratio";
  constexpr std::string_view kBefore = "anyres_max_";
  LUTHIER_TRY(const std::string text, json_string(config, kKey, where, "anyres_max_9"));
  std::int64_t most = 0;
  if (text.starts_with(kBefore) && text.size() <= kBefore.size() + 4) {
    for (const char digit : text.substr(kBefore.size())) {
      if (digit < '0' || digit > '9') {
        most = 0;
        break;
      }
      most = 10 * most + (digit - '0');
    }
  }
  if (most >= 1 && most <= kMostTiles) return most;
  return input_error(
      "\"" + text + "\" is not known.", where + ": " + kKey,
      "Known is anyres_max_ and a number from 1 to " + std::to_string(kMostTiles) + ".");
}

/// Frames of any size must become tiles.
Status check_film_tiles(const FilmProcessor& processor, std::int64_t tile,
                        const std::string& folder) {
  for (const ImageSize& size : {ImageSize{64, 64}, ImageSize{97, 50}}) {
    LUTHIER_TRY(const PixelValues outline, processor.outline(size, 1));
    if (outline.shape == std::vector<std::int64_t>{1, 3, tile, tile}) continue;
    return input_error("The video processor makes other frames than the tower takes.", folder,
                       "Processor and weights do not belong together.");
  }
  return {};
}

Result<FilmTokens> onevision_films(const LlavaNextOptions& options,
                                   const std::filesystem::path& folder) {
  FilmTokens films;
  LUTHIER_TRY(const std::string mark, processor_token(folder, "video_token", "<video>"));
  LUTHIER_TRY(films.mark, tokenizer_attribute(folder, "video_token", mark));
  films.token_id = options.film_token_id;
  films.processor = "LlavaOnevisionVideoProcessor";
  films.expand = [cut = options.cut, mark = films.mark](const PixelValues& pixels) {
    return repeated(mark, film_tokens(cut, pixels.shape.at(0)));
  };
  films.check = [tile = options.cut.tile, where = folder.string()](const FilmProcessor& processor) {
    return check_film_tiles(processor, tile, where);
  };
  return films;
}

/// The counts are the model's; LlavaOnevisionProcessor comes to the same from num_image_tokens,
/// strategy and aspect ratio where those fit the model.
Result<ImageTokens> onevision_tokens(const LlavaNextOptions& options,
                                     const std::filesystem::path& folder) {
  LUTHIER_TRY(const LlavaProcessorSettings settings,
              read_llava_processor_settings(folder, options.llava));
  const std::int64_t features = options.cut.side * options.cut.side;
  const std::int64_t dropped = settings.drop_first_feature ? 1 : 0;
  LUTHIER_TRY(const std::int64_t written,
              processor_count(folder, "num_image_tokens", features + dropped));
  LUTHIER_CHECK(check_frame_tokens(written - dropped, features, folder, "num_image_tokens"));
  const auto path = folder / "processor_config.json";
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored)) {
    LUTHIER_TRY(const Json config, read_json_file(path));
    LUTHIER_TRY(const std::int64_t most, read_most_tiles(config, path.string()));
    if (most != options.cut.most_tiles) {
      return input_error("The processor's vision_aspect_ratio is not that of config.json.",
                         path.string() + ": vision_aspect_ratio",
                         "Processor and model must count a picture's tokens alike.");
    }
  }
  LUTHIER_TRY(ImageTokens tokens,
              llava_next_tokens(options, kOnevisionProcessor, detail::onevision_pinpoints(),
                                settings.image_token, folder));
  if (options.film_token_id >= 0) {
    LUTHIER_TRY(tokens.films, onevision_films(options, folder));
  }
  return tokens;
}

Result<Plan> read_onevision(const Json& config, const std::filesystem::path& folder) {
  LUTHIER_TRY(const LlavaNextOptions options,
              read_llava_onevision_options(config, (folder / "config.json").string()));
  return llava_next_plan(options, kOnevisionProcessor,
                         [options](const auto& files) { return onevision_tokens(options, files); });
}

/// Of a row with several pictures each is one frame; films are frames and nothing more.
Status onevision_given(const GivenArguments& given, const Json& config, ModelInput& input) {
  LUTHIER_TRY(const LlavaNextOptions options, read_llava_onevision_options(config, given.where()));
  std::vector<GivenMedium> pictures, films;
  if (given.find("pixel_values")) {
    LUTHIER_TRY(const torch::Tensor sizes, given.wanted("image_sizes"));
    std::vector<bool> whole(static_cast<std::size_t>(sizes.size(0)), false);
    if (const torch::Tensor* counts = given.find("batch_num_images")) {
      whole.clear();
      for (std::int64_t row = 0; row < counts->numel(); ++row) {
        const auto count = counts->flatten()[row].item<std::int64_t>();
        whole.insert(whole.end(), static_cast<std::size_t>(std::max<std::int64_t>(count, 0)),
                     count > 1);
      }
      if (std::ssize(whole) != sizes.size(0))
        return given.shape_error("batch_num_images", "the pictures of each row");
    }
    LUTHIER_CHECK(put_tiled_pictures(given, options.cut, whole, pictures));
  }
  if (const torch::Tensor* frames = given.find("pixel_values_videos")) {
    if (frames->dim() != 5)
      return given.shape_error("pixel_values_videos", "[films, frames, 3, height, width]");
    for (std::int64_t film = 0; film < frames->size(0); ++film)
      films.push_back({{frames->size(1), {}, 1.0},
                       (*frames)[film].to(torch::kFloat32),
                       film_tokens(options.cut, frames->size(1))});
  }
  return given.put_media(pictures, films, config, input);
}

}  // namespace

Result<LlavaNextOptions> read_llava_onevision_options(const Json& config,
                                                      const std::string& where) {
  LUTHIER_TRY(const Json whole, completed(config, where));
  LUTHIER_TRY(LlavaNextOptions options, read_llava_next_options(whole, where));
  LUTHIER_TRY(options.cut.most_tiles, read_most_tiles(config, where));
  const char* key = says(config, "video_token_id") ? "video_token_id" : "video_token_index";
  LUTHIER_TRY(const TokenId film, json_int(config, key, where, 151647));
  // a model that lacks the token takes pictures all the same
  if (film >= 0 && film < options.llava.text.vocab_size && film != options.llava.image_token_id)
    options.film_token_id = film;
  return options;
}

const Family llava_onevision_family{.model_type = "llava_onevision",
                                    .takes_pictures = true,
                                    .read = read_onevision,
                                    .memory_name = llava_memory_name,
                                    .stored_name = llava_stored_name,
                                    .processor_layout = llava_next_layout,
                                    .by_tensors = {onevision_given, ByTensors::States::Flat}};

}  // namespace luthier
