// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/llava_next/llava_next.h"

#include "engine/models/class_arguments.h"
#include "engine/models/llava/llava_names.h"
#include "engine/models/llava_next/llava_next_model.h"
#include "engine/models/processor_files.h"
#include "engine/vision/pinpoints.h"

namespace luthier {

using detail::Extent;
using torch::Tensor;

namespace {

constexpr const char* kProcessor = "LlavaNextImageProcessor";

/// The count is the model's; LlavaNextProcessor comes to the same from patch_size, strategy and
/// additional tokens where those fit the model.
Result<ImageTokens> image_tokens(const LlavaNextOptions& options,
                                 const std::filesystem::path& folder) {
  LUTHIER_TRY(const LlavaProcessorSettings settings,
              read_llava_processor_settings(folder, options.llava));
  return llava_next_tokens(options, kProcessor, detail::usual_pinpoints(), settings.image_token,
                           folder);
}

Result<Plan> read_llava_next(const Json& config, const std::filesystem::path& folder) {
  LUTHIER_TRY(const LlavaNextOptions options,
              read_llava_next_options(config, (folder / "config.json").string()));
  return llava_next_plan(options, kProcessor,
                         [options](const auto& files) { return image_tokens(options, files); });
}

}  // namespace

Plan llava_next_plan(const LlavaNextOptions& options, const std::string& type,
                     std::function<Result<ImageTokens>(const std::filesystem::path&)> tokens) {
  Plan plan;
  plan.build = [options](const torch::TensorOptions& tensors, HeadWeight head) {
    LlavaNextOptions chosen = options;
    if (head == HeadWeight::Own) chosen.llava.tie_word_embeddings = false;
    return std::make_shared<LlavaNextModel>(chosen, tensors);
  };
  plan.pictures = PicturePlan{options.llava.image_token_id, {type}, std::move(tokens)};
  plan.initializer_range = options.llava.text.initializer_range;
  return plan;
}

Result<ImageTokens> llava_next_tokens(const LlavaNextOptions& options, const std::string& type,
                                      std::vector<Extent> usual, const std::string& mark,
                                      const std::filesystem::path& folder) {
  const ProcessorDefaults defaults{type};
  LUTHIER_CHECK(frame_outline(folder, defaults, 2));
  LUTHIER_TRY(const auto pictures, detail::read_picture_settings(folder, defaults));
  LUTHIER_CHECK(detail::read_pinpoints(pictures.config, pictures.where, usual));
  if (usual != options.cut.pinpoints) {
    return input_error("The picture processor's image_grid_pinpoints are not those of config.json.",
                       pictures.where + ": image_grid_pinpoints",
                       "Processor and model must cut a picture alike: make the two lists equal.");
  }
  ImageTokens tokens;
  tokens.mark = mark;
  tokens.expand = [cut = options.cut, mark](const PixelValues& pixels) {
    return repeated(mark, picture_lines(cut, pixels.shape.at(0), pixels.grid).tokens());
  };
  return tokens;
}

Tensor llava_next_layout(const ModelInput& input) {
  std::int64_t most = 0, first = 0;
  for (const PictureFacts& picture : input.pictures) most = std::max(most, picture.rows);
  std::vector<Tensor> pictures;
  for (const PictureFacts& picture : input.pictures) {
    pictures.push_back(at::constant_pad_nd(input.pixel_values.slice(0, first, first + picture.rows),
                                           {0, 0, 0, 0, 0, 0, 0, most - picture.rows}));
    first += picture.rows;
  }
  return at::stack(pictures);
}

Status put_tiled_pictures(const GivenArguments& given, const PictureCut& cut,
                          const std::vector<bool>& whole, std::vector<GivenMedium>& pictures) {
  LUTHIER_TRY(const Tensor pixels, given.wanted("pixel_values"));
  const bool stacked = pixels.dim() == 5;  // filled up to the picture of most frames
  if (!stacked && pixels.dim() != 4)
    return given.shape_error("pixel_values", "[pictures, frames, 3, height, width]");
  LUTHIER_TRY(const Tensor sizes,
              given.image_sizes(stacked ? pixels.size(0) : std::ssize(whole)));
  std::int64_t first = 0;
  for (std::int64_t i = 0; i < sizes.size(0); ++i) {
    const std::int64_t* size = sizes.const_data_ptr<std::int64_t>() + 2 * i;
    const std::vector<std::int64_t> grid{size[0], size[1]};
    const bool one = i < std::ssize(whole) && whole[static_cast<std::size_t>(i)];
    const PictureLines lines = picture_lines(cut, one ? 1 : 2, grid);
    const Tensor from = stacked ? pixels[i] : pixels.slice(0, first);
    if (lines.frames() > from.size(0))
      return given.shape_error("pixel_values", "the frames that image_sizes asks for");
    pictures.push_back({{lines.frames(), grid},
                        from.slice(0, 0, lines.frames()).to(torch::kFloat32),
                        lines.tokens()});
    first += lines.frames();
  }
  return {};
}

Result<LlavaNextOptions> read_llava_next_options(const Json& config, const std::string& where) {
  LlavaNextOptions o;
  LUTHIER_TRY(o.llava, read_llava_options(config, where));
  const VisionTowerOptions& v = o.llava.vision;
  if (v.image_height != v.image_width)
    return input_error("Tiles must be square.", where + ": vision_config: image_size");
  if (o.llava.drop_first_feature != v.class_embedding) {
    return input_error(
        v.class_embedding ? "\"full\" keeps the class token, which has no place among the tiles."
                          : "\"default\" leaves out a class token, which this tower does not have.",
        where + ": vision_feature_select_strategy",
        "CLIP towers go with default, SigLIP towers with full.");
  }
  o.cut.tile = v.image_height;
  o.cut.side = v.patch_rows();
  o.cut.pinpoints = detail::usual_pinpoints();
  std::vector<Extent>& pinpoints = o.cut.pinpoints;
  LUTHIER_CHECK(detail::read_pinpoints(config, where, pinpoints));
  for (std::size_t i = 0; i < pinpoints.size(); ++i) {
    if (pinpoints[i].height % o.cut.tile == 0 && pinpoints[i].width % o.cut.tile == 0) continue;
    return input_error("The resolution [" + std::to_string(pinpoints[i].height) + ", " +
                           std::to_string(pinpoints[i].width) + "] is not made of whole tiles of " +
                           std::to_string(o.cut.tile) + ".",
                       where + ": image_grid_pinpoints[" + std::to_string(i) + "]");
  }
  return o;
}

Status llava_next_given(const GivenArguments& given, const Json& config, ModelInput& input) {
  LUTHIER_TRY(const LlavaNextOptions options, read_llava_next_options(config, given.where()));
  LUTHIER_TRY(const Tensor sizes, given.wanted("image_sizes"));
  std::vector<GivenMedium> pictures;
  const std::vector<bool> none_whole(static_cast<std::size_t>(sizes.size(0)), false);
  LUTHIER_CHECK(put_tiled_pictures(given, options.cut, none_whole, pictures));
  return given.put_media(pictures, {}, config, input);
}

const Family llava_next_family{.model_type = "llava_next",
                               .takes_pictures = true,
                               .read = read_llava_next,
                               .memory_name = llava_memory_name,
                               .stored_name = llava_stored_name,
                               .processor_layout = llava_next_layout,
                               .by_tensors = {llava_next_given, ByTensors::States::Flat}};

}  // namespace luthier
