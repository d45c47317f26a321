// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/deepseek_ocr2/deepseek_ocr2.h"

#include <cmath>

#include "engine/models/class_arguments.h"
#include "engine/models/deepseek_ocr2/text_options.h"
#include "engine/models/expert_names.h"
#include "engine/models/processor_files.h"
#include "engine/models/tower_model.h"
#include "engine/nn/module_cost.h"
#include "engine/vision/processor_settings.h"

namespace luthier {

using torch::Tensor;

namespace {

constexpr const char* kOrderWithEnds = "features_and_ends";
constexpr const char* kDeepseekProcessor = "DeepseekOcr2ImageProcessor";

class DeepseekOcr2Body : public ParameterModule {
 public:
  DeepseekOcr2Body(const DeepseekOcr2Options& o, const torch::TensorOptions& t) {
    add_parameter("view_separator", view_separator, {o.text.hidden_size}, t);
    vision_tower = register_module("vision_tower", std::make_shared<DeepseekVision>(o.vision, t));
    projector = register_module("multi_modal_projector",
                                Linear(o.vision.encoder.hidden_size, o.text.hidden_size, true, t));
    language_model = register_module("language_model", Decoder(o.text, t));
  }
  std::string type_name() const override { return "Parameter"; }
  Tensor first_value(const std::string&, const at::Generator& generator) const override {
    const double range = 1 / std::sqrt(static_cast<double>(view_separator.size(0)));
    return torch::empty(view_separator.sizes(), torch::kFloat32).normal_(0, range, generator);
  }

  Tensor view_separator;
  std::shared_ptr<DeepseekVision> vision_tower;
  Linear projector{nullptr};
  Decoder language_model{nullptr};
};

class DeepseekOcr2 : public TowerModel {
 public:
  DeepseekOcr2(const DeepseekOcr2Options& o, const torch::TensorOptions& t)
      : options_(o), body_(std::make_shared<DeepseekOcr2Body>(o, t)) {
    declare_part(kVisionTower, "model.vision_tower.");
    declare_part(kProjector, "model.multi_modal_projector");
    declare_part(kProjector, "model.view_separator");
    assemble(body_, body_->language_model, o.tie_word_embeddings, o.image_token_id, t);
  }
  Tensor tower(const ModelInput& input) override { return body_->vision_tower->forward(input); }
  std::int64_t feature_rows(const PictureFacts& picture) const override {
    return options_.tokens_of(picture.grid) - 1;
  }
  void prepare(ModelInput& input) const override {
    TowerModel::prepare(input);
    if (input.pictures.empty()) return;
    input.aside[kOrderWithEnds] = with_ends(input);
    if (input.pixel_values.defined()) body_->vision_tower->prepare(input);
  }
  ModelGeometry geometry() const override {  // tokens go by the size of a frame
    const DecoderOptions& encoder = options_.vision.encoder;
    ModelGeometry g = describe(options_.vision.sam);
    g.vision_layers += encoder.num_hidden_layers;  // of both towers; the second one goes on
    g.vision_hidden_size = encoder.hidden_size, g.vision_heads = encoder.num_attention_heads;
    g.tile_tokens = TileTokens::Varying;
    return g;
  }
  std::int64_t feature_numbers(const PictureLoad& pictures) const override {
    return body_->vision_tower->feature_numbers(pictures);
  }

 protected:
  Tensor project(const Tensor& features, const ModelInput& input) override {
    const auto found = input.aside.find(kOrderWithEnds);
    const Tensor order =
        found != input.aside.end() ? found->second : with_ends(input).to(features.device());
    const Tensor projected = body_->projector->forward(features);
    return at::cat({projected, body_->view_separator.unsqueeze(0)}).index_select(0, order);
  }
  TowerCost tower_cost(const Pass& pass) const override { return body_->vision_tower->cost(pass); }
  ProjectorCost projector_cost(const Pass& pass) const override {
    const StepTerms& terms = pass.terms;
    const ProductsCost product =
        products_cost(terms, {body_->projector}, pass.pictures.tokens - pass.pictures.images);
    // A fixed tower's features are counted as what they are.
    ProjectorCost cost;
    cost.trains = product.trains || terms.of(*body_).trains;
    cost.kept = (tower_cost(pass).trains ? product.input : 0) + product.numbers +
                terms.block(pass.pictures.tokens, 8);
    cost.work = 2 * terms.block(pass.pictures.tokens * options_.text.hidden_size) + product.work;
    return cost;
  }

 private:
  Tensor with_ends(const ModelInput& input) const {
    std::vector<std::int64_t> features;
    for (const PictureFacts& picture : input.pictures) features.push_back(feature_rows(picture));
    return order_with_ends(features);
  }

  DeepseekOcr2Options options_;
  std::shared_ptr<DeepseekOcr2Body> body_;
};

/// DeepseekOcr2Processor asks for tiles, two to six of them, whatever the picture processor's file
/// says.
ProcessorDefaults deepseek_processor() {
  return {kDeepseekProcessor, {{"crop_to_patches", true}, {"min_patches", 2}, {"max_patches", 6}}};
}

/// What the processor writes for a frame of that edge, and what the tower makes of it.
Status check_frame(const DeepseekVisionOptions& o, std::int64_t edge, std::int64_t patch,
                   std::int64_t ratio, const std::string& place) {
  if (o.sam.side_of(edge) < 1)
    return input_error("A frame of " + std::to_string(edge) +
                           " pixels a side is smaller than one patch of the tower.",
                       place, "Processor and weights do not belong together.");
  const auto along = static_cast<std::int64_t>(std::ceil(
      static_cast<double>(edge) / static_cast<double>(patch) / static_cast<double>(ratio)));
  const std::int64_t written = along * along, made = o.features_of(edge);
  if (written == made) return {};
  return input_error("A frame is written as " + std::to_string(written) + " tokens and comes to " +
                         std::to_string(made) + " features.",
                     place, "Processor and config.json do not belong together.");
}

Result<ImageTokens> deepseek_image_tokens(const DeepseekOcr2Options& o,
                                          const std::filesystem::path& folder) {
  const ProcessorDefaults defaults = deepseek_processor();
  LUTHIER_TRY(const auto settings, detail::read_picture_settings(folder, defaults));
  LUTHIER_TRY(const auto processor, ImageProcessor::create(settings.config, settings.where));
  LUTHIER_TRY(const PixelValues outline, outline_of(*processor, 64, 64, settings.where));
  if (outline.shape.size() != 1 || outline.grid.size() != 4)
    return other_processor(settings.where, kDeepseekProcessor);
  LUTHIER_TRY(const std::int64_t patch, processor_count(folder, "patch_size", 16));
  LUTHIER_TRY(const std::int64_t ratio, processor_count(folder, "downsample_ratio", 4));
  LUTHIER_CHECK(
      check_frame(o.vision, outline.grid[2], patch, ratio, settings.where + ": tile_size"));
  LUTHIER_CHECK(check_frame(o.vision, outline.grid[3], patch, ratio, settings.where + ": size"));
  ImageTokens tokens;
  LUTHIER_TRY(tokens.mark, tokenizer_attribute(folder, "image_token", "<image>"));
  tokens.expand = [o, mark = tokens.mark](const PixelValues& pixels) {
    return repeated(mark, o.tokens_of(pixels.grid));
  };
  return tokens;
}

/// Whole pictures, and the tiles of all of them, of which num_local_patches says how many are
/// whose.
Status deepseek_given(const GivenArguments& given, const Json& config, ModelInput& input) {
  constexpr const char *kTiles = "pixel_values_local", *kCounts = "num_local_patches";
  LUTHIER_TRY(const Tensor wholes, given.wanted("pixel_values"));
  const auto squares = [](const Tensor& frames) {
    return frames.dim() == 4 && frames.size(1) == 3 && frames.size(2) == frames.size(3);
  };
  if (!squares(wholes)) return given.shape_error("pixel_values", "[pictures, 3, edge, edge]");
  const std::int64_t square = wholes.size(3);
  const Tensor* tiles = given.find(kTiles);
  if (tiles && !squares(*tiles)) return given.shape_error(kTiles, "[tiles, 3, edge, edge]");
  Tensor counts = torch::zeros({wholes.size(0)}, torch::kInt64);
  if (tiles) {
    LUTHIER_TRY(counts, given.wanted(kCounts));
    counts = counts.to(torch::kInt64).contiguous();
  }
  if (counts.dim() != 1 || counts.size(0) != wholes.size(0) || counts.lt(0).any().item<bool>() ||
      counts.sum().item<std::int64_t>() != (tiles ? tiles->size(0) : 0))
    return given.shape_error(kCounts, "the tiles of each picture");
  std::vector<GivenMedium> pictures;
  std::int64_t first = 0;
  for (std::int64_t i = 0; i < wholes.size(0); ++i) {
    const std::int64_t count = counts.const_data_ptr<std::int64_t>()[i];
    Tensor pixels = wholes[i].flatten();
    if (count > 0) pixels = at::cat({tiles->slice(0, first, first + count).flatten(), pixels});
    pictures.push_back({{pixels.numel(), {1, count, count > 0 ? tiles->size(3) : square, square}},
                        pixels.to(torch::kFloat32)});
    first += count;
  }
  return given.put_media(pictures, {}, config, input);
}

Result<Plan> read_deepseek_ocr2(const Json& config, const std::filesystem::path& folder) {
  LUTHIER_TRY(const DeepseekOcr2Options options,
              read_deepseek_ocr2_options(config, (folder / "config.json").string()));
  Plan plan;
  plan.build = builder<DeepseekOcr2>(options);
  plan.pictures =
      PicturePlan{options.image_token_id, deepseek_processor(),
                  [options](const auto& files) { return deepseek_image_tokens(options, files); }};
  plan.initializer_range = options.text.initializer_range;
  plan.initializer_ranges = [options](const std::string& name) {
    if (name.starts_with("model.vision_tower.sam_encoder."))
      return options.vision.sam.initializer_range;
    if (name.starts_with("model.vision_tower.vision_encoder."))
      return options.vision.encoder.initializer_range;
    return name.starts_with("model.vision_tower.") ? 0.02 : options.text.initializer_range;
  };
  return plan;
}

/// A Qwen2 stack without an embedding. Its masks are the same in all layers, whatever
/// sliding_window and layer_types say.
Result<DecoderOptions> read_query_stack_options(Json config, const std::string& where) {
  for (const char* key : {"sliding_window", "layer_types"}) config.erase(key);
  config["use_sliding_window"] = false;
  config["model_type"] = "qwen2";
  config["vocab_size"] = 1;
  return read_decoder_options(config, where, "qwen2");
}

}  // namespace

Result<DeepseekOcr2Options> read_deepseek_ocr2_options(const Json& config,
                                                       const std::string& where) {
  DeepseekOcr2Options o;
  LUTHIER_TRY(const Json vision, config_section(config, "vision_config", where));
  const std::string place = where + ": vision_config";
  LUTHIER_TRY(const Json sam, config_section(vision, "sam_config", place));
  LUTHIER_TRY(const Json encoder, config_section(vision, "encoder_config", place));
  LUTHIER_TRY(const Json text, config_section(config, "text_config", where));
  LUTHIER_TRY(o.vision.sam, read_sam_options(sam, place + ": sam_config"));
  LUTHIER_TRY(o.vision.encoder, read_query_stack_options(encoder, place + ": encoder_config"));
  if (o.vision.sam.out != o.vision.encoder.hidden_size)
    return input_error("The convolutions end in " + std::to_string(o.vision.sam.out) +
                           " channels, the queries behind them are " +
                           std::to_string(o.vision.encoder.hidden_size) + " numbers wide.",
                       place + ": sam_config: downsample_channels");
  LUTHIER_TRY(o.text, read_deepseek_text_options(text, where + ": text_config"));
  LUTHIER_TRY(o.tie_word_embeddings, json_bool(config, "tie_word_embeddings", where, false));
  LUTHIER_TRY(o.image_token_id,
              read_image_token(config, {"image_token_id"}, 128815, o.text.vocab_size, where));
  return o;
}

const Family deepseek_ocr2_family = [] {
  Family family{"deepseek_ocr2", true, read_deepseek_ocr2, deepseek_ocr2_memory_name,
                deepseek_ocr2_stored_name};
  family.pieces_of = pieces_of_experts;
  family.by_tensors = {deepseek_given, ByTensors::States::Flat};
  return family;
}();

}  // namespace luthier
