// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/minicpmv/minicpmv.h"

#include <cmath>

#include "engine/models/class_arguments.h"
#include "engine/models/config_numbers.h"
#include "engine/models/family.h"
#include "engine/models/processor_files.h"
#include "engine/models/tower_model.h"
#include "engine/vision/processor_settings.h"

namespace luthier {

using torch::Tensor;

namespace {

class MiniCpmVBody : public torch::nn::Module {
 public:
  MiniCpmVBody(const MiniCpmVOptions& o, const torch::TensorOptions& t) {
    vision_tower = register_module("vision_tower", std::make_shared<MiniCpmTower>(o.vision, t));
    language_model = register_module("language_model", Decoder(o.text, t));
    merger = register_module("merger", std::make_shared<MiniCpmMerger>(o.vision, t));
  }
  std::shared_ptr<MiniCpmTower> vision_tower;
  Decoder language_model{nullptr};
  std::shared_ptr<MiniCpmMerger> merger;
};

class MiniCpmV : public TowerModel {
 public:
  MiniCpmV(const MiniCpmVOptions& o, const torch::TensorOptions& t)
      : options_(o), body_(std::make_shared<MiniCpmVBody>(o, t)) {
    declare_part(kVisionTower, "model.vision_tower.");
    declare_part(kProjector, "model.merger.");
    assemble(body_, body_->language_model, o.tie_word_embeddings, o.image_token_id, t);
  }
  Tensor tower(const ModelInput& input) override { return body_->vision_tower->forward(input); }
  void prepare(ModelInput& input) const override {
    TowerModel::prepare(input);
    if (!input.pictures.empty() && input.pixel_values.defined())
      body_->vision_tower->prepare(input);
  }
  ModelGeometry geometry() const override {  // a picture's patches and tokens go by its size
    ModelGeometry g = describe(options_.vision);
    g.patches_per_token = options_.vision.patches_per_token();
    return g;
  }
  std::int64_t feature_numbers(const PictureLoad& pictures) const override {
    return pictures.patches / options_.vision.patches_per_feature() * options_.vision.hidden_size;
  }

 protected:
  Tensor project(const Tensor& features, const ModelInput&) override {
    return body_->merger->forward(features);
  }
  TowerCost tower_cost(const Pass& pass) const override { return body_->vision_tower->cost(pass); }
  ProjectorCost projector_cost(const Pass& pass) const override {
    return body_->merger->cost(pass);
  }

 private:
  MiniCpmVOptions options_;
  std::shared_ptr<MiniCpmVBody> body_;
};

ProcessorDefaults minicpmv_processor() { return {"MiniCPMV4_6ImageProcessor"}; }

/// A processor that cuts other patches than the tower takes, or writes another number of tokens
/// than there will be, would fail in the middle of a run.
Status check_minicpmv_processor(const MiniCpmVOptions& o, const detail::PictureSettings& settings) {
  LUTHIER_TRY(const auto processor, ImageProcessor::create(settings.config, settings.where));
  const int block = static_cast<int>(4 * o.vision.patch_size);
  LUTHIER_TRY(const PixelValues outline, outline_of(*processor, block, block, settings.where));
  if (outline.shape.size() != 2 || outline.grid.size() != 6)
    return other_processor(settings.where, "MiniCPMV4_6ImageProcessor");
  LUTHIER_CHECK(check_processor_number(settings.config, settings.where, "patch_size", 14,
                                       o.vision.patch_size));
  LUTHIER_TRY(const std::string mode,
              json_string(settings.config, "downsample_mode", settings.where, "16x"));
  const std::int64_t written = mode == "4x" ? 4 : 16, made = o.vision.patches_per_token();
  if (written == made) return {};
  return input_error("The picture processor writes a token for " + std::to_string(written) +
                         " patches, and the model makes one of " + std::to_string(made) + ".",
                     settings.where + ": downsample_mode",
                     "Processor and weights do not belong together.");
}

Result<ImageTokens> minicpmv_image_tokens(const MiniCpmVOptions& o,
                                          const std::filesystem::path& folder) {
  LUTHIER_TRY(const detail::PictureSettings settings,
              detail::read_picture_settings(folder, minicpmv_processor()));
  LUTHIER_CHECK(check_minicpmv_processor(o, settings));
  MiniCpmVText text;
  LUTHIER_TRY(text.image, tokenizer_attribute(folder, "image_token", text.image));
  LUTHIER_TRY(text.start, tokenizer_attribute(folder, "image_start_token", text.start));
  LUTHIER_TRY(text.end, tokenizer_attribute(folder, "image_end_token", text.end));
  LUTHIER_TRY(text.slice_start, tokenizer_attribute(folder, "slice_start_token", text.slice_start));
  LUTHIER_TRY(text.slice_end, tokenizer_attribute(folder, "slice_end_token", text.slice_end));
  LUTHIER_TRY(text.id_start, tokenizer_attribute(folder, "image_id_start_token", text.id_start));
  LUTHIER_TRY(text.id_end, tokenizer_attribute(folder, "image_id_end_token", text.id_end));
  text.patches_per_token = o.vision.patches_per_token();
  LUTHIER_TRY(const bool numbered,
              json_bool(settings.config, "use_image_id", settings.where, true));
  ImageTokens tokens;
  tokens.mark = text.image;
  tokens.expand = [text](const PixelValues& pixels) { return text.expand(pixels.grid); };
  if (numbered)
    tokens.number = [text](std::size_t picture) {
      return text.id_start + std::to_string(picture) + text.id_end;
    };
  return tokens;
}

/// [1, 3, patch, patches · patch]: the patches of all units side by side.
Tensor minicpmv_layout(const ModelInput& input) {
  const Tensor& pixels = input.pixel_values;
  const std::int64_t count = pixels.size(0);
  const auto patch =
      static_cast<std::int64_t>(std::lround(std::sqrt(static_cast<double>(pixels.size(1) / 3))));
  return pixels.view({count, 3, patch, patch})
      .permute({1, 2, 0, 3})
      .reshape({1, 3, patch, count * patch});
}

/// The other way round, by target_sizes: a unit is a picture, since they do not see one another.
Status minicpmv_given(const GivenArguments& given, const Json& config, ModelInput& input) {
  constexpr const char* kSizes = "target_sizes";
  LUTHIER_TRY(const Tensor pixels, given.wanted("pixel_values"));
  LUTHIER_TRY(const Tensor given_sizes, given.wanted(kSizes));
  if (pixels.dim() != 4 || pixels.size(0) != 1 || pixels.size(1) != 3 ||
      pixels.size(3) % pixels.size(2) != 0)
    return given.shape_error("pixel_values", "[1, 3, patch, patches * patch]");
  if (given_sizes.dim() != 2 || given_sizes.size(1) != 2)
    return given.shape_error(kSizes, "[units, 2]");
  const std::int64_t patch = pixels.size(2), count = pixels.size(3) / patch;
  const Tensor patches = pixels[0]
                             .to(torch::kFloat32)
                             .view({3, patch, count, patch})
                             .permute({2, 0, 1, 3})
                             .reshape({count, 3 * patch * patch});
  const Tensor sizes = given_sizes.to(torch::kInt64).contiguous();
  std::vector<GivenMedium> units;
  std::int64_t first = 0;
  for (std::int64_t i = 0; i < sizes.size(0); ++i) {
    const std::int64_t* size = sizes.const_data_ptr<std::int64_t>() + 2 * i;
    const std::int64_t own = size[0] * size[1];
    if (size[0] < 1 || size[1] < 1 || first + own > count)
      return given.shape_error(kSizes, "sizes of as many patches as pixel_values have");
    units.push_back({{own, {0, 0, 0, 0, size[0], size[1]}}, patches.slice(0, first, first + own)});
    first += own;
  }
  if (first < count)
    return given.shape_error(kSizes, "sizes of as many patches as pixel_values have");
  return given.put_media(units, {}, config, input);
}

Result<Plan> read_minicpmv(const Json& config, const std::filesystem::path& folder) {
  LUTHIER_TRY(const MiniCpmVOptions options,
              read_minicpmv_options(config, (folder / "config.json").string()));
  Plan plan;
  plan.build = builder<MiniCpmV>(options);
  plan.pictures =
      PicturePlan{options.image_token_id, minicpmv_processor(),
                  [options](const auto& files) { return minicpmv_image_tokens(options, files); }};
  plan.initializer_range = options.text.initializer_range;
  return plan;
}

/// transformers has other windows in its options, and halves the grid whatever they say.
Status check_two_by_two(const Json& config, const char* key, const std::string& where) {
  const Json two = Json::array({2, 2});
  const auto found = config.find(key);
  if (found == config.end() || *found == two) return {};
  return input_error("Windows of 2 by 2 are what becomes one here.", where + ": " + key,
                     "It must be [2, 2].");
}

Status read_minicpmv_tower(const Json& config, const std::string& where, MiniCpmVOptions& o) {
  LUTHIER_TRY(const Json vision, config_section(config, "vision_config", where));
  const std::string place = where + ": vision_config";
  MiniCpmVisionOptions& v = o.vision;
  v.patch_size = 16;
  v.layer_norm_eps = 1e-6;
  v.hidden_act = Activation::GeluTanh;
  LUTHIER_CHECK(read_vision_sizes(vision, place, v));
  if (v.image_height != v.image_width)
    return input_error("The table of positions must be square.", place + ": image_size");
  LUTHIER_CHECK(check_two_by_two(vision, "window_kernel_size", place));
  LUTHIER_CHECK(check_two_by_two(config, "merge_kernel_size", where));
  LUTHIER_TRY(const std::string mode, json_string(config, "downsample_mode", where, "16x"));
  if (mode != "16x" && mode != "4x")
    return input_error("\"" + mode + "\" is not known.", where + ": downsample_mode",
                       "Known are 16x and 4x.");
  v.merges = mode == "16x";
  LUTHIER_CHECK(read_in_range(config, "merger_times", where, 1, 8, v.merger_times));
  // The whole's number stands, whatever vision_config says.
  LUTHIER_TRY(v.insert_layer_id, json_int(config, "insert_layer_id", where, v.insert_layer_id));
  if (v.merges)
    return in_range(v.insert_layer_id, 0, v.num_hidden_layers - 1, where, "insert_layer_id");
  return {};
}

}  // namespace

std::string MiniCpmVText::expand(const std::vector<std::int64_t>& grid) const {
  std::string text = start + repeated(image, grid.at(4) * grid.at(5) / patches_per_token) + end;
  const std::string slice =
      slice_start + repeated(image, grid.at(2) * grid.at(3) / patches_per_token) + slice_end;
  for (std::int64_t row = 0; row < grid.at(0); ++row) {
    if (row > 0) text += "\n";
    text += repeated(slice, grid.at(1));
  }
  return text;
}

Result<MiniCpmVOptions> read_minicpmv_options(const Json& config, const std::string& where) {
  MiniCpmVOptions o;
  LUTHIER_TRY(const Json text, config_section(config, "text_config", where));
  LUTHIER_TRY(o.text, read_decoder_options(text, where + ": text_config", "qwen3_5_text"));
  LUTHIER_CHECK(read_minicpmv_tower(config, where, o));
  o.vision.text_width = o.text.hidden_size;
  LUTHIER_TRY(o.tie_word_embeddings, json_bool(config, "tie_word_embeddings", where, false));
  LUTHIER_TRY(o.image_token_id,
              read_image_token(config, {"image_token_id"}, -1, o.text.vocab_size, where));
  return o;
}

extern const Family minicpmv4_6_family;
const Family minicpmv4_6_family{.model_type = "minicpmv4_6",
                                .takes_pictures = true,
                                .read = read_minicpmv,
                                .memory_name = same_name,
                                .stored_name = same_name,
                                .processor_layout = minicpmv_layout,
                                .by_tensors = {minicpmv_given}};

}  // namespace luthier
