// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/mistral3/mistral3.h"

#include <algorithm>
#include <cmath>

#include "engine/models/class_arguments.h"
#include "engine/models/config_numbers.h"
#include "engine/models/family.h"
#include "engine/models/llava/llava_names.h"
#include "engine/models/processor_files.h"
#include "engine/models/qwen_vl/qwen_layout.h"
#include "engine/models/tower_model.h"
#include "engine/nn/module_cost.h"
#include "engine/vision/processor_settings.h"

namespace luthier {

using torch::Tensor;

namespace {

class PatchMerger : public torch::nn::Module {
 public:
  PatchMerger(const Mistral3Options& o, const torch::TensorOptions& t)
      : side_(o.spatial_merge_size) {
    merging_layer_ = register_module("merging_layer", Linear(o.vision.hidden_size * side_ * side_,
                                                             o.vision.hidden_size, false, t));
  }
  /// Squares of side × side patches, the features of each channel together.
  Tensor forward(const Tensor& states, const std::vector<QwenGrid>& grids) {
    std::vector<Tensor> folded;
    std::int64_t first = 0;
    const std::int64_t width = states.size(1);
    for (const QwenGrid& grid : grids) {
      const std::int64_t count = grid.rows * grid.columns;
      folded.push_back(states.slice(0, first, first + count)
                           .view({grid.rows / side_, side_, grid.columns / side_, side_, width})
                           .permute({0, 2, 4, 1, 3})
                           .reshape({count / (side_ * side_), width * side_ * side_}));
      first += count;
    }
    return merging_layer_(at::cat(folded));
  }
  const Linear& merging_layer() const { return merging_layer_; }

 private:
  std::int64_t side_;
  Linear merging_layer_{nullptr};
};

class Mistral3Projector : public torch::nn::Module {
 public:
  Mistral3Projector(const Mistral3Options& o, const torch::TensorOptions& t)
      : activation_(o.projector_hidden_act) {
    norm_ = register_module("norm", RmsNorm(o.vision.hidden_size, o.text.rms_norm_eps, t));
    merger_ = register_module("patch_merger", std::make_shared<PatchMerger>(o, t));
    const std::int64_t width = o.text.hidden_size;
    linear_1_ =
        register_module("linear_1", Linear(o.vision.hidden_size, width, o.projector_bias, t));
    linear_2_ = register_module("linear_2", Linear(width, width, o.projector_bias, t));
  }
  Tensor forward(const Tensor& states, const std::vector<QwenGrid>& grids) {
    const Tensor merged = merger_->forward(norm_(states), grids);
    return linear_2_(activate(linear_1_(merged), activation_));
  }
  ProjectorCost cost(const Pass& pass) const {
    const StepTerms& terms = pass.terms;
    const Linear& merging = merger_->merging_layer();
    const std::int64_t patches = pass.pictures.patches,
                       tokens = patches * linear_1_->in_features() / merging->in_features();
    const TrainedShare norm = terms.of(*norm_), merged = terms.of(*merging),
                       first = terms.of(*linear_1_), second = terms.of(*linear_2_);
    ProjectorCost cost;
    cost.trains = norm.trains || merged.trains || first.trains || second.trains;
    cost.kept = norm_kept(terms, norm_, patches) + rows_kept(terms, merged, tokens) +
                (merged.trains ? terms.block(tokens * merging->in_features()) : 0) +
                projector_kept(terms, tokens, linear_1_->in_features(), linear_1_->out_features(),
                               first, second);
    return cost;
  }

 private:
  Activation activation_;
  RmsNorm norm_{nullptr};
  std::shared_ptr<PatchMerger> merger_;
  Linear linear_1_{nullptr}, linear_2_{nullptr};
};

class Mistral3Body : public torch::nn::Module {
 public:
  Mistral3Body(const Mistral3Options& o, const torch::TensorOptions& t) {
    vision_tower = register_module("vision_tower", std::make_shared<PixtralTower>(o.vision, t));
    projector = register_module("multi_modal_projector", std::make_shared<Mistral3Projector>(o, t));
    language_model = register_module("language_model", Decoder(o.text, t));
  }
  std::shared_ptr<PixtralTower> vision_tower;
  std::shared_ptr<Mistral3Projector> projector;
  Decoder language_model{nullptr};
};

class Mistral3 : public TowerModel {
 public:
  Mistral3(const Mistral3Options& o, const torch::TensorOptions& t)
      : options_(o), body_(std::make_shared<Mistral3Body>(o, t)) {
    declare_part(kVisionTower, "model.vision_tower.");
    declare_part(kProjector, "model.multi_modal_projector.");
    assemble(body_, body_->language_model, o.tie_word_embeddings, o.image_token_id, t);
  }
  Tensor tower(const ModelInput& input) override {
    return body_->vision_tower->forward(input, options_.layers_run);
  }
  void prepare(ModelInput& input) const override {
    TowerModel::prepare(input);
    if (!input.pictures.empty() && input.pixel_values.defined())
      body_->vision_tower->prepare(input);
  }
  ModelGeometry geometry() const override {  // a picture's patches and tokens go by its size
    ModelGeometry g = describe(options_.vision);
    g.patches_per_token = options_.spatial_merge_size * options_.spatial_merge_size;
    return g;
  }
  std::int64_t feature_numbers(const PictureLoad& pictures) const override {
    return pictures.patches * options_.vision.hidden_size;
  }

 protected:
  Tensor project(const Tensor& features, const ModelInput& input) override {
    return body_->projector->forward(features,
                                     qwen_grids(input.pictures, options_.spatial_merge_size));
  }
  TowerCost tower_cost(const Pass& pass) const override {
    return body_->vision_tower->cost(pass, options_.layers_run);
  }
  ProjectorCost projector_cost(const Pass& pass) const override {
    return body_->projector->cost(pass);
  }

 private:
  Mistral3Options options_;
  std::shared_ptr<Mistral3Body> body_;
};

/// The picture processor's block is the whole processor's to say, and must be the model's.
ProcessorDefaults pixtral_processor(const Mistral3Options& o) {
  return {"PixtralImageProcessor",
          {{"patch_size", o.vision.patch_size}, {"spatial_merge_size", o.spatial_merge_size}}};
}

/// A processor that cuts other patches than the tower takes would fail in the middle of a run.
Status check_processor(const Mistral3Options& o, const std::filesystem::path& folder) {
  const auto check = [&](const char* key, std::int64_t standard, std::int64_t own) -> Status {
    LUTHIER_TRY(const std::int64_t found, processor_count(folder, key, standard));
    if (found == own) return {};
    return input_error("The picture processor's " + std::string(key) + " is " +
                           std::to_string(found) + ", the tower's " + std::to_string(own) + ".",
                       (folder / "processor_config.json").string() + ": " + key,
                       "Processor and weights do not belong together.");
  };
  LUTHIER_CHECK(check("patch_size", 16, o.vision.patch_size));
  LUTHIER_CHECK(check("spatial_merge_size", 1, o.spatial_merge_size));
  LUTHIER_TRY(const auto settings, detail::read_picture_settings(folder, pixtral_processor(o)));
  LUTHIER_TRY(const auto processor, ImageProcessor::create(settings.config, settings.where));
  const int edge = static_cast<int>(o.vision.patch_size * o.spatial_merge_size);
  LUTHIER_TRY(const PixelValues outline, outline_of(*processor, edge, edge, settings.where));
  if (outline.shape.size() == 2 && outline.shape[1] == o.vision.patch_values() &&
      outline.grid.size() == 3)
    return {};
  return other_processor(settings.where, "PixtralImageProcessor");
}

/// A row of tokens a row of blocks, each with a break behind it and the last with an end.
Result<ImageTokens> mistral3_image_tokens(const Mistral3Options& o,
                                          const std::filesystem::path& folder) {
  LUTHIER_CHECK(check_processor(o, folder));
  ImageTokens tokens;
  LUTHIER_TRY(tokens.mark, processor_token(folder, "image_token", "[IMG]"));
  LUTHIER_TRY(const std::string line, processor_token(folder, "image_break_token", "[IMG_BREAK]"));
  LUTHIER_TRY(const std::string end, processor_token(folder, "image_end_token", "[IMG_END]"));
  tokens.expand = [side = o.spatial_merge_size, line, end,
                   mark = tokens.mark](const PixelValues& pixels) {
    const std::int64_t rows = pixels.grid.at(1) / side, columns = pixels.grid.at(2) / side;
    std::string text;
    for (std::int64_t row = 0; row < rows; ++row)
      text += repeated(mark, columns) + (row + 1 < rows ? line : end);
    return text;
  };
  return tokens;
}

/// [pictures, 3, height, width] of the largest, zeros beyond the smaller ones.
Tensor pixtral_layout(const ModelInput& input) {
  const std::vector<QwenGrid> grids = qwen_grids(input.pictures, 1);
  const auto patch = static_cast<std::int64_t>(
      std::lround(std::sqrt(static_cast<double>(input.pixel_values.size(1) / 3))));
  std::int64_t height = 0, width = 0, first = 0;
  for (const QwenGrid& grid : grids)
    height = std::max(height, grid.rows * patch), width = std::max(width, grid.columns * patch);
  std::vector<Tensor> pictures;
  for (const QwenGrid& grid : grids) {
    const std::int64_t count = grid.rows * grid.columns;
    const Tensor picture = input.pixel_values.slice(0, first, first + count)
                               .view({grid.rows, grid.columns, 3, patch, patch})
                               .permute({2, 0, 3, 1, 4})
                               .reshape({3, grid.rows * patch, grid.columns * patch});
    pictures.push_back(at::constant_pad_nd(
        picture, {0, width - grid.columns * patch, 0, height - grid.rows * patch}));
    first += count;
  }
  return at::stack(pictures);
}

/// The other way round, by image_sizes.
Status pixtral_given(const GivenArguments& given, const Json& config, ModelInput& input) {
  LUTHIER_TRY(const Mistral3Options options, read_mistral3_options(config, given.where()));
  const std::int64_t side = options.vision.patch_size;
  LUTHIER_TRY(const Tensor pixels, given.wanted("pixel_values"));
  if (pixels.dim() != 4 || pixels.size(1) != 3)
    return given.shape_error("pixel_values", "[pictures, 3, height, width]");
  LUTHIER_TRY(const Tensor sizes, given.image_sizes(pixels.size(0)));
  std::vector<GivenMedium> pictures;
  for (std::int64_t i = 0; i < sizes.size(0); ++i) {
    const std::int64_t* size = sizes.const_data_ptr<std::int64_t>() + 2 * i;
    const std::int64_t rows = size[0] / side, columns = size[1] / side;
    if (rows < 1 || columns < 1 || size[0] > pixels.size(2) || size[1] > pixels.size(3))
      return given.shape_error("pixel_values", "the sizes that image_sizes names");
    pictures.push_back({{rows * columns, {1, rows, columns}},
                        pixels[i]
                            .to(torch::kFloat32)
                            .slice(1, 0, rows * side)
                            .slice(2, 0, columns * side)
                            .reshape({3, rows, side, columns, side})
                            .permute({1, 3, 0, 2, 4})
                            .reshape({rows * columns, 3 * side * side})});
  }
  return given.put_media(pictures, {}, config, input);
}

Result<Plan> read_mistral3(const Json& config, const std::filesystem::path& folder) {
  LUTHIER_TRY(const Mistral3Options options,
              read_mistral3_options(config, (folder / "config.json").string()));
  Plan plan;
  plan.build = builder<Mistral3>(options);
  plan.pictures =
      PicturePlan{options.image_token_id, pixtral_processor(options),
                  [options](const auto& files) { return mistral3_image_tokens(options, files); }};
  plan.initializer_range = options.text.initializer_range;
  return plan;
}

/// Mistral3Config's own decoder.
Json usual_text() {
  return {{"model_type", "mistral"},   {"head_dim", 128},
          {"hidden_size", 5120},       {"intermediate_size", 32768},
          {"num_attention_heads", 32}, {"num_hidden_layers", 40},
          {"num_key_value_heads", 8},  {"rms_norm_eps", 1e-5},
          {"rope_theta", 1e9},         {"sliding_window", nullptr},
          {"vocab_size", 131072},      {"max_position_embeddings", 131072}};
}

}  // namespace

Result<Mistral3Options> read_mistral3_options(const Json& config, const std::string& where) {
  Mistral3Options o;
  LUTHIER_TRY(const Json vision, config_section(config, "vision_config", where));
  LUTHIER_TRY(Json text, config_section(config, "text_config", where));
  if (text.empty()) text = usual_text();
  LUTHIER_TRY(o.vision, read_pixtral_options(vision, where + ": vision_config"));
  LUTHIER_TRY(o.text, read_decoder_options(text, where + ": text_config", "mistral"));
  LUTHIER_TRY(o.spatial_merge_size, json_int(config, "spatial_merge_size", where, 2));
  LUTHIER_CHECK(in_range(o.spatial_merge_size, 1, 64, where, "spatial_merge_size"));

  const std::string place = where + ": vision_feature_layer";
  Json layer = config.value("vision_feature_layer", Json(-1));
  if (layer.is_array() && layer.size() == 1) layer = Json(layer.front());
  if (!layer.is_number_integer())
    return input_error("One number is expected: the projector's norm is as wide as one layer.",
                       place);
  const auto number = layer.get<std::int64_t>(), states = o.vision.num_hidden_layers + 1;
  if (number < -states || number >= states)
    return input_error("The tower has no layer " + std::to_string(number) + ".", place,
                       "It has " + std::to_string(o.vision.num_hidden_layers) + " layers.");
  o.layers_run = number < 0 ? number + states : number;

  LUTHIER_TRY(const std::string act, json_string(config, "projector_hidden_act", where, "gelu"));
  LUTHIER_TRY(o.projector_hidden_act, parse_activation(act, where + ": projector_hidden_act"));
  LUTHIER_TRY(o.projector_bias, json_bool(config, "multimodal_projector_bias", where, false));
  LUTHIER_TRY(o.tie_word_embeddings, json_bool(config, "tie_word_embeddings", where, true));
  LUTHIER_TRY(o.image_token_id, read_image_token(config, {"image_token_index", "image_token_id"},
                                                 10, o.text.vocab_size, where));
  return o;
}

extern const Family mistral3_family;
const Family mistral3_family{.model_type = "mistral3",
                             .takes_pictures = true,
                             .read = read_mistral3,
                             .memory_name = llava_memory_name,
                             .stored_name = llava_stored_name,
                             .processor_layout = pixtral_layout,
                             .by_tensors = {pixtral_given, ByTensors::States::Flat}};

}  // namespace luthier
