// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/lfm2_vl/lfm2_vl.h"

#include <algorithm>

#include "engine/models/class_arguments.h"
#include "engine/models/config_numbers.h"
#include "engine/models/family.h"
#include "engine/models/llava/llava_names.h"
#include "engine/models/processor_files.h"
#include "engine/models/tower_model.h"
#include "engine/nn/module_cost.h"
#include "engine/vision/processor_settings.h"

namespace luthier {

using torch::Tensor;

namespace {

/// What the processor made of one picture (PixelValues): tiles of one size, then the whole.
struct Cut {
  std::int64_t rows = 0, columns = 0, side = 0;  ///< of tiles, and of a tile's patches
  PatchGrid whole;                               ///< none after tiles without a thumbnail
};

Cut cut_of(const std::vector<std::int64_t>& grid) {
  return {grid.at(0), grid.at(1), grid.at(2), {grid.at(3), grid.at(4)}};
}

std::vector<PatchGrid> frames_of(const std::vector<PictureFacts>& pictures) {
  std::vector<PatchGrid> frames;
  for (const PictureFacts& picture : pictures) {
    const Cut cut = cut_of(picture.grid);
    for (std::int64_t tile = 0; tile < cut.rows * cut.columns; ++tile)
      frames.push_back({cut.side, cut.side});
    if (cut.whole.rows > 0) frames.push_back(cut.whole);
  }
  return frames;
}

class Lfm2VlProjector : public torch::nn::Module {
 public:
  Lfm2VlProjector(const Lfm2VlOptions& o, const torch::TensorOptions& t)
      : side_(o.downsample_factor), activation_(o.projector_hidden_act) {
    const std::int64_t in = o.vision.hidden_size * side_ * side_;
    if (o.projector_use_layernorm)
      layer_norm_ = register_module("layer_norm", LayerNorm(in, kProjectorEpsilon, t));
    linear_1_ =
        register_module("linear_1", Linear(in, o.projector_hidden_size, o.projector_bias, t));
    linear_2_ = register_module(
        "linear_2", Linear(o.projector_hidden_size, o.text.hidden_size, o.projector_bias, t));
  }
  Tensor forward(const Tensor& states, const std::vector<PatchGrid>& frames) {
    std::vector<Tensor> folded;
    std::int64_t first = 0;
    for (const PatchGrid& frame : frames) {
      const std::int64_t count = frame.rows * frame.columns;
      folded.push_back(fold_patches(states.slice(0, first, first + count).unsqueeze(0), frame.rows,
                                    frame.columns, side_)
                           .squeeze(0));
      first += count;
    }
    Tensor x = folded.size() == 1 ? folded.front() : at::cat(folded);
    if (layer_norm_) x = layer_norm_(x);
    return linear_2_(activate(linear_1_(x), activation_));
  }
  ProjectorCost cost(const Pass& pass) const {
    const StepTerms& terms = pass.terms;
    const std::int64_t tokens = pass.pictures.patches / (side_ * side_),
                       in = linear_1_->in_features();
    const TrainedShare first = terms.of(*linear_1_), second = terms.of(*linear_2_);
    ProjectorCost cost;
    cost.trains = first.trains || second.trains || (layer_norm_ && terms.of(*layer_norm_).trains);
    cost.kept = projector_kept(terms, tokens, in, linear_1_->out_features(), first, second);
    if (layer_norm_) cost.kept += projector_norm_kept(terms, tokens, in);
    return cost;
  }

 private:
  static constexpr double kProjectorEpsilon = 1e-5;  // torch's own

  std::int64_t side_;
  Activation activation_;
  LayerNorm layer_norm_{nullptr};
  Linear linear_1_{nullptr}, linear_2_{nullptr};
};

class Lfm2VlBody : public torch::nn::Module {
 public:
  Lfm2VlBody(const Lfm2VlOptions& o, const torch::TensorOptions& t) {
    vision_tower = register_module("vision_tower", std::make_shared<Siglip2Tower>(o.vision, t));
    projector = register_module("multi_modal_projector", std::make_shared<Lfm2VlProjector>(o, t));
    language_model = register_module("language_model", Decoder(o.text, t));
  }
  std::shared_ptr<Siglip2Tower> vision_tower;
  std::shared_ptr<Lfm2VlProjector> projector;
  Decoder language_model{nullptr};
};

class Lfm2Vl : public TowerModel {
 public:
  Lfm2Vl(const Lfm2VlOptions& o, const torch::TensorOptions& t)
      : options_(o), body_(std::make_shared<Lfm2VlBody>(o, t)) {
    declare_part(kVisionTower, "model.vision_tower.");
    declare_part(kProjector, "model.multi_modal_projector.");
    assemble(body_, body_->language_model, o.tie_word_embeddings, o.image_token_id, t);
  }
  Tensor tower(const ModelInput& input) override {
    return body_->vision_tower->forward(input, frames_of(input.pictures));
  }
  void prepare(ModelInput& input) const override {
    TowerModel::prepare(input);
    if (!input.pictures.empty() && input.pixel_values.defined())
      body_->vision_tower->prepare(input, frames_of(input.pictures));
  }
  ModelGeometry geometry() const override {  // a picture's patches and tokens go by its size
    ModelGeometry g = describe(options_.vision);
    g.patches_per_token = options_.downsample_factor * options_.downsample_factor;
    return g;
  }
  std::int64_t feature_numbers(const PictureLoad& pictures) const override {
    return pictures.patches * options_.vision.hidden_size;
  }

 protected:
  Tensor project(const Tensor& features, const ModelInput& input) override {
    return body_->projector->forward(features, frames_of(input.pictures));
  }
  TowerCost tower_cost(const Pass& pass) const override { return body_->vision_tower->cost(pass); }
  ProjectorCost projector_cost(const Pass& pass) const override {
    return body_->projector->cost(pass);
  }

 private:
  Lfm2VlOptions options_;
  std::shared_ptr<Lfm2VlBody> body_;
};

/// A processor that cuts other patches than the tower takes would fail in the middle of a run.
Status check_lfm2_vl_processor(const Lfm2VlOptions& o, const std::filesystem::path& folder,
                               const ProcessorDefaults& defaults) {
  LUTHIER_TRY(const auto settings, detail::read_picture_settings(folder, defaults));
  const auto check = [&](const char* key, std::int64_t standard, std::int64_t own) {
    return check_processor_number(settings.config, settings.where, key, standard, own);
  };
  LUTHIER_TRY(const auto processor, ImageProcessor::create(settings.config, settings.where));
  LUTHIER_TRY(const PixelValues outline, outline_of(*processor, 64, 64, settings.where));
  if (outline.shape.size() != 2 || outline.grid.size() != 5)
    return other_processor(settings.where, "Lfm2VlImageProcessor");
  LUTHIER_CHECK(check("encoder_patch_size", 16, o.vision.patch_size));
  return check("downsample_factor", 2, o.downsample_factor);
}

/// How Lfm2VlProcessor writes a picture, whose words the tokenizer names.
struct Lfm2VlText {
  std::string image = "<image>", start = "<|image_start|>", end = "<|image_end|>",
              thumbnail = "<|img_thumbnail|>";

  std::string expand(const Cut& cut, std::int64_t side) const {
    const std::string whole = repeated(image, (cut.whole.rows / side) * (cut.whole.columns / side));
    std::string text = start;
    const std::int64_t edge = cut.side / side;
    const bool several = cut.rows * cut.columns > 1;
    for (std::int64_t row = 1; row <= cut.rows; ++row)
      for (std::int64_t column = 1; column <= cut.columns; ++column) {
        if (several)
          text += "<|img_row_" + std::to_string(row) + "_col_" + std::to_string(column) + "|>";
        text += repeated(image, edge * edge);
      }
    if (several && !whole.empty()) text += thumbnail;
    return text + whole + end;
  }
};

Result<ImageTokens> lfm2_vl_image_tokens(const Lfm2VlOptions& o,
                                         const std::filesystem::path& folder,
                                         const ProcessorDefaults& defaults) {
  LUTHIER_CHECK(check_lfm2_vl_processor(o, folder, defaults));
  Lfm2VlText text;
  LUTHIER_TRY(text.image, tokenizer_attribute(folder, "image_token", text.image));
  LUTHIER_TRY(text.start, tokenizer_attribute(folder, "image_start_token", text.start));
  LUTHIER_TRY(text.end, tokenizer_attribute(folder, "image_end_token", text.end));
  LUTHIER_TRY(text.thumbnail, tokenizer_attribute(folder, "image_thumbnail_token", text.thumbnail));
  ImageTokens tokens;
  tokens.mark = text.image;
  tokens.expand = [text, side = o.downsample_factor](const PixelValues& pixels) {
    return text.expand(cut_of(pixels.grid), side);
  };
  return tokens;
}

/// [frames, patches, numbers] of the largest frame, zeros behind the smaller ones.
Tensor lfm2_vl_layout(const ModelInput& input) {
  const std::vector<PatchGrid> frames = frames_of(input.pictures);
  std::int64_t most = 0, first = 0;
  for (const PatchGrid& frame : frames) most = std::max(most, frame.rows * frame.columns);
  std::vector<Tensor> padded;
  for (const PatchGrid& frame : frames) {
    const std::int64_t count = frame.rows * frame.columns;
    padded.push_back(at::constant_pad_nd(input.pixel_values.slice(0, first, first + count),
                                         {0, 0, 0, most - count}));
    first += count;
  }
  return at::stack(padded);
}

/// The other way round, by spatial_shapes: a picture each, since frames do not see one another.
Status lfm2_vl_given(const GivenArguments& given, const Json& config, ModelInput& input) {
  constexpr const char* kShapes = "spatial_shapes";
  LUTHIER_TRY(const Tensor pixels, given.wanted("pixel_values"));
  LUTHIER_TRY(const Tensor given_shapes, given.wanted(kShapes));
  if (pixels.dim() != 3) return given.shape_error("pixel_values", "[frames, patches, numbers]");
  if (given_shapes.dim() != 2 || given_shapes.size(1) != 2 ||
      given_shapes.size(0) != pixels.size(0))
    return given.shape_error(kShapes, "[frames, 2]");
  const Tensor shapes = given_shapes.to(torch::kInt64).contiguous();
  std::vector<GivenMedium> frames;
  for (std::int64_t i = 0; i < shapes.size(0); ++i) {
    const std::int64_t* shape = shapes.const_data_ptr<std::int64_t>() + 2 * i;
    const std::int64_t count = shape[0] * shape[1];
    if (shape[0] < 1 || shape[1] < 1 || count > pixels.size(1))
      return given.shape_error(kShapes, "numbers of patches that pixel_values have");
    if (const Tensor* own = given.find("pixel_attention_mask");
        own && (own->dim() != 2 || own->size(0) != pixels.size(0) ||
                (*own)[i].ne(0).sum().item<std::int64_t>() != count))
      return given.shape_error("pixel_attention_mask", "the patches that spatial_shapes names");
    frames.push_back({{count, {0, 0, 0, shape[0], shape[1]}},
                      pixels[i].slice(0, 0, count).to(torch::kFloat32)});
  }
  return given.put_media(frames, {}, config, input);
}

Result<Plan> read_lfm2_vl(const Json& config, const std::filesystem::path& folder) {
  LUTHIER_TRY(const Lfm2VlOptions options,
              read_lfm2_vl_options(config, (folder / "config.json").string()));
  Plan plan;
  plan.build = builder<Lfm2Vl>(options);
  const ProcessorDefaults defaults{"Lfm2VlImageProcessor"};
  plan.pictures =
      PicturePlan{options.image_token_id, defaults, [options, defaults](const auto& files) {
                    return lfm2_vl_image_tokens(options, files, defaults);
                  }};
  plan.initializer_range = options.text.initializer_range;
  return plan;
}

}  // namespace

Result<Lfm2VlOptions> read_lfm2_vl_options(const Json& config, const std::string& where) {
  Lfm2VlOptions o;
  LUTHIER_TRY(const Json vision, config_section(config, "vision_config", where));
  LUTHIER_TRY(const Json text, config_section(config, "text_config", where));
  LUTHIER_TRY(o.vision, read_siglip2_options(vision, where + ": vision_config"));
  LUTHIER_TRY(o.text, read_decoder_options(text, where + ": text_config", "lfm2"));
  LUTHIER_CHECK(read_in_range(config, "downsample_factor", where, 1, 64, o.downsample_factor));
  LUTHIER_CHECK(
      read_in_range(config, "projector_hidden_size", where, 1, 1 << 20, o.projector_hidden_size));
  LUTHIER_TRY(const std::string act, json_string(config, "projector_hidden_act", where, "gelu"));
  LUTHIER_TRY(o.projector_hidden_act, parse_activation(act, where + ": projector_hidden_act"));
  LUTHIER_TRY(o.projector_bias, json_bool(config, "projector_bias", where, true));
  LUTHIER_TRY(o.projector_use_layernorm, json_bool(config, "projector_use_layernorm", where, true));
  LUTHIER_TRY(const bool tied, json_bool(config, "tie_word_embeddings", where, true));
  LUTHIER_TRY(o.tie_word_embeddings, json_bool(config, "tie_embedding", where, tied));
  LUTHIER_TRY(o.image_token_id,
              read_image_token(config, {"image_token_id"}, 396, o.text.vocab_size, where));
  return o;
}

extern const Family lfm2_vl_family;
const Family lfm2_vl_family = [] {
  Family family{"lfm2_vl", true, read_lfm2_vl, llava_memory_name, same_name, lfm2_vl_layout};
  family.untie = untie_lfm2;
  family.by_tensors = {lfm2_vl_given, ByTensors::States::Flat};
  return family;
}();

}  // namespace luthier
