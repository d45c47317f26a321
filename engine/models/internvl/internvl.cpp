// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/internvl/internvl.h"

#include <cmath>

#include "engine/models/llava/llava_names.h"
#include "engine/models/processor_files.h"
#include "engine/models/tower_model.h"
#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

class InternVLProjector : public torch::nn::Module {
 public:
  InternVLProjector(const InternVLOptions& o, const torch::TensorOptions& t)
      : activation_(o.projector_hidden_act) {
    const std::int64_t folded = o.vision.hidden_size * o.fold * o.fold;
    layer_norm_ = register_module("layer_norm", LayerNorm(folded, 1e-5, t));
    linear_1_ = register_module("linear_1", Linear(folded, o.text.hidden_size, true, t));
    linear_2_ =
        register_module("linear_2", Linear(o.text.hidden_size, o.text.hidden_size, true, t));
  }
  Tensor forward(const Tensor& features) {
    return linear_2_(activate(linear_1_(layer_norm_(features)), activation_));
  }
  ProjectorCost cost(const Pass& pass) const {
    const std::int64_t folded = linear_1_->in_features(), features = pass.pictures.tokens;
    const TrainedShare first = pass.terms.of(*linear_1_), second = pass.terms.of(*linear_2_);
    return {
        trained_within(pass.terms, *this).trains,
        projector_norm_kept(pass.terms, features, folded) +
            projector_kept(pass.terms, features, folded, linear_1_->out_features(), first, second)};
  }

 private:
  Activation activation_;
  LayerNorm layer_norm_{nullptr};
  Linear linear_1_{nullptr}, linear_2_{nullptr};
};

class InternVLBody : public torch::nn::Module {
 public:
  InternVLBody(const InternVLOptions& o, const torch::TensorOptions& t) {
    vision_tower = register_module("vision_tower", InternVLTower(o.vision, t));
    multi_modal_projector =
        register_module("multi_modal_projector", std::make_shared<InternVLProjector>(o, t));
    language_model = register_module("language_model", Decoder(o.text, t));
  }
  InternVLTower vision_tower{nullptr};
  std::shared_ptr<InternVLProjector> multi_modal_projector;
  Decoder language_model{nullptr};
};

class InternVL : public TowerModel {
 public:
  InternVL(const InternVLOptions& o, const torch::TensorOptions& t)
      : options_(o), body_(std::make_shared<InternVLBody>(o, t)) {
    declare_part(kVisionTower, "model.vision_tower.");
    declare_part(kProjector, "model.multi_modal_projector.");
    assemble(body_, body_->language_model, o.tie_word_embeddings, o.image_token_id, t);
  }

  Tensor tower(const ModelInput& input) override {
    const Tensor& pixels = input.pixel_values;
    const Tensor features =
        body_->vision_tower(pixels, options_.feature_layers, options_.feature_norm)
            .slice(1, 1);  // without the class token
    const std::int64_t patch = options_.vision.patch_size;
    return fold_patches(features, pixels.size(2) / patch, pixels.size(3) / patch, options_.fold)
        .flatten(0, 1);
  }

  ModelGeometry geometry() const override {
    ModelGeometry g = describe(options_.vision);
    g.vision_tokens = options_.vision.patches() + 1;
    g.image_tokens = options_.vision.patches() / (options_.fold * options_.fold);
    g.patches_per_token = options_.fold * options_.fold;
    return g;
  }

  /// Frames are of any size; all their patches come to tokens, their class tokens to none.
  std::int64_t feature_numbers(const PictureLoad& pictures) const override {
    return patches(pictures) * options_.vision.hidden_size;
  }

 protected:
  Tensor project(const Tensor& features, const ModelInput&) override {
    return body_->multi_modal_projector->forward(features);
  }
  TowerCost tower_cost(const Pass& pass) const override {
    return body_->vision_tower->cost(pass, patches(pass.pictures) + pass.pictures.frames,
                                     options_.feature_layers, options_.feature_norm);
  }
  ProjectorCost projector_cost(const Pass& pass) const override {
    return body_->multi_modal_projector->cost(pass);
  }

 private:
  std::int64_t patches(const PictureLoad& pictures) const {
    return pictures.tokens * options_.fold * options_.fold;
  }

  InternVLOptions options_;
  std::shared_ptr<InternVLBody> body_;
};

/// InternVLProcessor cuts tiles, whatever the picture processor's own file says.
ProcessorDefaults processor_defaults() {
  return {"GotOcr2ImageProcessor", {{"crop_to_patches", true}}};
}

/// <img>, then image_seq_length tokens for each tile and the thumbnail, then </img>.
Result<ImageTokens> image_tokens(const InternVLOptions& options,
                                 const std::filesystem::path& folder) {
  const std::string where = (folder / "config.json").string();
  LUTHIER_TRY(const std::int64_t count, processor_count(folder, "image_seq_length", 256));
  LUTHIER_TRY(const std::string mark,
              tokenizer_attribute(folder, "context_image_token", "<IMG_CONTEXT>"));
  LUTHIER_TRY(const std::string begin, tokenizer_attribute(folder, "start_image_token", "<img>"));
  LUTHIER_TRY(const std::string end, tokenizer_attribute(folder, "end_image_token", "</img>"));
  LUTHIER_TRY(const PixelValues outline, frame_outline(folder, processor_defaults(), 1));
  const std::int64_t rows = outline.shape[2] / options.vision.patch_size,
                     columns = outline.shape[3] / options.vision.patch_size;
  LUTHIER_CHECK(check_fold(rows, columns, options.fold, where + ": downsample_ratio"));
  LUTHIER_CHECK(check_frame_tokens(count, rows * columns / (options.fold * options.fold), folder,
                                   "image_seq_length"));
  ImageTokens tokens;
  tokens.mark = mark;
  tokens.expand = [mark, begin, end, count](const PixelValues& pixels) {
    return begin + repeated(mark, count * pixels.shape.at(0)) + end;
  };
  return tokens;
}

Result<Plan> read_internvl(const Json& config, const std::filesystem::path& folder) {
  LUTHIER_TRY(const InternVLOptions options,
              read_internvl_options(config, (folder / "config.json").string()));
  Plan plan;
  plan.build = builder<InternVL>(options);
  plan.pictures =
      PicturePlan{options.image_token_id, processor_defaults(),
                  [options](const auto& files) { return image_tokens(options, files); }};
  plan.initializer_range = options.text.initializer_range;
  return plan;
}

}  // namespace

Result<InternVLOptions> read_internvl_options(const Json& config, const std::string& where) {
  InternVLOptions o;
  LUTHIER_TRY(const Json vision, config_section(config, "vision_config", where));
  LUTHIER_TRY(const Json text, config_section(config, "text_config", where));
  LUTHIER_TRY(o.vision, read_internvl_tower_options(vision, where + ": vision_config"));
  LUTHIER_TRY(o.text, read_decoder_options(text, where + ": text_config", "qwen2"));

  LUTHIER_TRY(const double ratio, json_number(config, "downsample_ratio", where, 0.5));
  const double fold = 1 / ratio;
  if (!(fold >= 1 && fold <= 64) || fold != std::floor(fold)) {
    return input_error("downsample_ratio is not 1 divided by a whole number up to 64.",
                       where + ": downsample_ratio");
  }
  o.fold = static_cast<std::int64_t>(fold);

  LUTHIER_TRY(const std::int64_t layer, json_int(config, "vision_feature_layer", where, -1));
  const std::int64_t states = o.vision.num_hidden_layers + 1;
  if (layer < -states || layer >= states) {
    return input_error("The tower has no layer " + std::to_string(layer) + ".",
                       where + ": vision_feature_layer",
                       "It has " + std::to_string(o.vision.num_hidden_layers) + " layers.");
  }
  o.feature_layers = layer < 0 ? layer + states : layer;
  o.feature_norm = layer == -1;
  LUTHIER_TRY(const std::string strategy,
              json_string(config, "vision_feature_select_strategy", where, "default"));
  if (strategy != "default") {
    return input_error(
        "\"" + strategy + "\" is not known.", where + ": vision_feature_select_strategy",
        "Only default, which leaves out the class token, gives a square of patches.");
  }
  LUTHIER_TRY(const std::string act, json_string(config, "projector_hidden_act", where, "gelu"));
  LUTHIER_TRY(o.projector_hidden_act, parse_activation(act, where + ": projector_hidden_act"));
  LUTHIER_TRY(o.tie_word_embeddings, json_bool(config, "tie_word_embeddings", where, true));
  LUTHIER_TRY(o.image_token_id,
              read_image_token(config, {"image_token_id"}, 151667, o.text.vocab_size, where));
  return o;
}

const Family internvl_family{.model_type = "internvl",
                             .takes_pictures = true,
                             .read = read_internvl,
                             .memory_name = llava_memory_name,
                             .stored_name = llava_stored_name,
                             .by_tensors = {.image_hidden_states = ByTensors::States::ByFrame}};

}  // namespace luthier
