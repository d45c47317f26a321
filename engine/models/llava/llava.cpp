// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/llava/llava.h"

#include <algorithm>

#include "engine/models/llava/llava_model.h"
#include "engine/models/llava/llava_names.h"
#include "engine/models/processor_files.h"
#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

class LlavaProjector : public torch::nn::Module {
 public:
  LlavaProjector(const LlavaOptions& o, const torch::TensorOptions& t)
      : activation_(o.projector_hidden_act) {
    const auto width =
        o.vision.hidden_size * static_cast<std::int64_t>(o.vision_feature_layers.size());
    linear_1_ = register_module("linear_1", Linear(width, o.text.hidden_size, o.projector_bias, t));
    linear_2_ = register_module(
        "linear_2", Linear(o.text.hidden_size, o.text.hidden_size, o.projector_bias, t));
  }
  Tensor forward(const Tensor& features) {
    const Tensor first = linear_1_(features);
    return linear_2_(activation_ ? activate(first, *activation_) : first);
  }
  ProjectorCost cost(const StepTerms& terms, std::int64_t features) const {
    const TrainedShare first = terms.of(*linear_1_), second = terms.of(*linear_2_);
    const std::int64_t between = linear_1_->out_features();
    const std::int64_t kept =
        projector_kept(terms, features, linear_1_->in_features(), between, first, second);
    // An activation keeps what it was given.
    return {first.trains || second.trains,
            kept - (activation_ ? 0 : terms.block(features * between))};
  }

 private:
  std::optional<Activation> activation_;
  Linear linear_1_{nullptr}, linear_2_{nullptr};
};

}  // namespace

class LlavaModel::Body : public ParameterModule {
 public:
  Body(const LlavaOptions& o, bool with_newline, const torch::TensorOptions& t) {
    vision_tower = register_module("vision_tower", VisionTower(o.vision, t));
    multi_modal_projector =
        register_module("multi_modal_projector", std::make_shared<LlavaProjector>(o, t));
    if (with_newline) add_parameter("image_newline", image_newline, {o.text.hidden_size}, t);
    language_model = register_module("language_model", Decoder(o.text, t));
  }
  std::string type_name() const override { return "Parameter"; }

  VisionTower vision_tower{nullptr};
  std::shared_ptr<LlavaProjector> multi_modal_projector;
  Tensor image_newline;
  Decoder language_model{nullptr};
};

LlavaModel::LlavaModel(const LlavaOptions& o, bool newline, const torch::TensorOptions& t)
    : options_(o), body_(std::make_shared<Body>(o, newline, t)) {
  declare_part(kVisionTower, "model.vision_tower.");
  declare_part(kProjector, "model.multi_modal_projector.");
  declare_part(kProjector, "model.image_newline");
  assemble(body_, body_->language_model, o.tie_word_embeddings, o.image_token_id, t);
}

Tensor LlavaModel::tower(const ModelInput& input) {
  return selected_features(body_->vision_tower, input.pixel_values, options_.vision_feature_layers,
                           options_.drop_first_feature)
      .flatten(0, 1);
}

Tensor LlavaModel::project(const Tensor& features, const ModelInput&) {
  return body_->multi_modal_projector->forward(features);
}

const Tensor& LlavaModel::image_newline() const { return body_->image_newline; }

/// Layers above the highest state used do not run.
std::int64_t LlavaModel::layers_run() const {
  const std::int64_t states = options_.vision.num_hidden_layers + 1;
  std::int64_t highest = 0;
  for (const std::int64_t layer : options_.vision_feature_layers)
    highest = std::max(highest, layer < 0 ? layer + states : layer);
  return highest;
}

std::int64_t LlavaModel::frame_features() const {
  return options_.vision.tokens() - (options_.drop_first_feature ? 1 : 0);
}

std::int64_t LlavaModel::feature_numbers(const PictureLoad& pictures) const {
  const auto states = static_cast<std::int64_t>(options_.vision_feature_layers.size());
  return pictures.frames * frame_features() * options_.vision.hidden_size * states;
}

TowerCost LlavaModel::tower_cost(const Pass& pass) const {
  return body_->vision_tower->cost(pass, pass.pictures.frames * options_.vision.tokens(),
                                   layers_run(), /*normed=*/false);
}

ProjectorCost LlavaModel::projector_cost(const Pass& pass) const {
  ProjectorCost cost = body_->multi_modal_projector->cost(pass.terms, projected(pass.pictures));
  cost.trains = cost.trains || pass.terms.of(*body_).trains;  // the lines' ends
  return cost;
}

ModelGeometry LlavaModel::geometry() const {
  const VisionTowerOptions& v = options_.vision;
  ModelGeometry g = describe(v);
  g.vision_tokens = v.tokens();
  g.image_tokens = frame_features();
  g.image_height = v.image_height, g.image_width = v.image_width;
  return g;
}

namespace {

/// LlavaProcessor's own arithmetic: (height / patch)·(width / patch) + extra − 1 (class token
/// dropped), repeated marks.
Result<ImageTokens> image_tokens(const LlavaOptions& options, const std::filesystem::path& folder) {
  LUTHIER_TRY(const LlavaProcessorSettings settings,
              read_llava_processor_settings(folder, options));
  const auto written = [settings](std::int64_t height, std::int64_t width) {
    const std::int64_t count = (height / settings.patch_size) * (width / settings.patch_size) +
                               settings.num_additional_image_tokens;
    return settings.drop_first_feature ? count - 1 : count;
  };
  const std::int64_t features = options.vision.tokens() - (options.drop_first_feature ? 1 : 0);
  LUTHIER_CHECK(check_frame_tokens(written(options.vision.image_height, options.vision.image_width),
                                   features, folder, "num_additional_image_tokens"));
  ImageTokens tokens;
  tokens.mark = settings.image_token;
  tokens.expand = [written, mark = settings.image_token](const PixelValues& pixels) {
    return repeated(mark, written(pixels.shape.at(2), pixels.shape.at(3)));
  };
  return tokens;
}

Result<Plan> read_llava(const Json& config, const std::filesystem::path& folder) {
  LUTHIER_TRY(const LlavaOptions options,
              read_llava_options(config, (folder / "config.json").string()));
  Plan plan;
  plan.build = [options](const torch::TensorOptions& tensors, HeadWeight head) {
    LlavaOptions chosen = options;
    if (head == HeadWeight::Own) chosen.tie_word_embeddings = false;
    return std::make_shared<LlavaModel>(chosen, /*newline=*/false, tensors);
  };
  plan.pictures =
      PicturePlan{options.image_token_id, {"LlavaImageProcessor"}, [options](const auto& files) {
                    return image_tokens(options, files);
                  }};
  plan.initializer_range = options.text.initializer_range;
  return plan;
}

}  // namespace

Result<LlavaOptions> read_llava_options(const Json& config, const std::string& where) {
  LlavaOptions o;
  LUTHIER_TRY(Json vision_config, config_section(config, "vision_config", where));
  LUTHIER_TRY(const Json text, config_section(config, "text_config", where));
  if (vision_config.empty()) {  // LlavaConfig's own default tower
    vision_config = {{"intermediate_size", 4096}, {"hidden_size", 1024},
                     {"patch_size", 14},          {"image_size", 336},
                     {"num_hidden_layers", 24},   {"num_attention_heads", 16}};
  }
  LUTHIER_TRY(o.vision, read_vision_tower_options(vision_config, where + ": vision_config"));
  LUTHIER_TRY(o.text, read_decoder_options(text, where + ": text_config"));

  const auto layers = config.find("vision_feature_layer");
  if (layers == config.end() || layers->is_null())
    o.vision_feature_layers = {-2};
  else if (layers->is_number_integer())
    o.vision_feature_layers = {layers->get<std::int64_t>()};
  else if (layers->is_array() && !layers->empty() &&
           std::all_of(layers->begin(), layers->end(),
                       [](const Json& e) { return e.is_number_integer(); })) {
    for (const Json& layer : *layers) o.vision_feature_layers.push_back(layer.get<std::int64_t>());
  } else {
    return input_error("A number or a list of numbers is expected.",
                       where + ": vision_feature_layer");
  }
  const std::int64_t states = o.vision.num_hidden_layers + 1;
  for (const std::int64_t layer : o.vision_feature_layers) {
    if (layer < -states || layer >= states) {
      return input_error("The tower has no layer " + std::to_string(layer) + ".",
                         where + ": vision_feature_layer",
                         "It has " + std::to_string(o.vision.num_hidden_layers) + " layers.");
    }
  }
  LUTHIER_TRY(std::string strategy,
              json_string(config, "vision_feature_select_strategy", where, "default"));
  if (strategy != "default" && strategy != "full") {
    return input_error("\"" + strategy + "\" is not known.",
                       where + ": vision_feature_select_strategy", "Known are default and full.");
  }
  o.drop_first_feature = strategy == "default";
  LUTHIER_TRY(std::string act, json_string(config, "projector_hidden_act", where, "gelu"));
  if (act == "linear") {
    o.projector_hidden_act.reset();
  } else {
    LUTHIER_TRY(o.projector_hidden_act, parse_activation(act, where + ": projector_hidden_act"));
  }
  LUTHIER_TRY(o.projector_bias, json_bool(config, "multimodal_projector_bias", where, true));
  LUTHIER_TRY(bool tie, json_bool(config, "tie_word_embeddings", where, false));
  LUTHIER_TRY(bool text_tie,
              json_bool(text, "tie_word_embeddings", where + ": text_config", false));
  o.tie_word_embeddings = tie || text_tie;
  LUTHIER_TRY(o.image_token_id, read_image_token(config, {"image_token_index", "image_token_id"},
                                                 32000, o.text.vocab_size, where));
  return o;
}

const Family llava_family{.model_type = "llava",
                          .takes_pictures = true,
                          .read = read_llava,
                          .memory_name = llava_memory_name,
                          .stored_name = llava_stored_name,
                          .by_tensors = {.image_hidden_states = ByTensors::States::Flat}};

}  // namespace luthier
