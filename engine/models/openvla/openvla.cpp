// SPDX-License-Identifier: GPL-3.0-or-later
// OpenVLA (Kim et al. 2024) as its own folders have it: the states of one timm tower or of two side
// by side (DINOv2 with registers and SigLIP), a projector of two or three products, Llama behind
// it. The patches stand behind the first token of the text, and the answer is an action in the last
// tokens of the vocabulary (ActionOptions). transformers has no class of it: the names are those of
// the authors' files, which their code reads again.
#include <array>

#include "engine/models/family.h"
#include "engine/models/openvla/timm_tower.h"
#include "engine/models/processor_files.h"
#include "engine/models/tower_model.h"
#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

struct OpenVlaOptions {
  std::vector<TimmTowerOptions> towers;  ///< one or two
  DecoderOptions text;
  TokenId image_token = -1;  ///< the last of the padded vocabulary, which no text has

  std::int64_t feature_width() const {
    std::int64_t width = 0;
    for (const TimmTowerOptions& tower : towers) width += tower.hidden_size;
    return width;
  }
  bool fused() const { return towers.size() > 1; }
};

class PrismaticPart : public torch::nn::Module {};

class PrismaticProjector : public torch::nn::Module {
 public:
  PrismaticProjector(const OpenVlaOptions& o, const torch::TensorOptions& t) {
    const std::int64_t in = o.feature_width(), out = o.text.hidden_size;
    const std::int64_t wide = o.fused() ? 4 * in : out;
    layers_.push_back(register_module("fc1", Linear(in, wide, true, t)));
    layers_.push_back(register_module("fc2", Linear(wide, out, true, t)));
    if (o.fused()) layers_.push_back(register_module("fc3", Linear(out, out, true, t)));
  }
  Tensor forward(const Tensor& features) const {
    Tensor x = layers_.front()->forward(features);
    for (std::size_t i = 1; i < layers_.size(); ++i)
      x = layers_[i]->forward(activate(x, Activation::Gelu));
    return x;
  }
  ProjectorCost cost(const StepTerms& terms, std::int64_t features) const {
    ProjectorCost cost;
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      const ProductsCost product = products_cost(terms, {layers_[i]}, features);
      // Behind a product that trains or lets a gradient through, the activation keeps its input.
      cost.kept += product.input + product.numbers;
      if (cost.trains || product.trains)
        cost.kept +=
            i + 1 < layers_.size() ? terms.block(features * layers_[i]->out_features()) : 0;
      cost.trains = cost.trains || product.trains;
    }
    return cost;
  }

 private:
  std::vector<Linear> layers_;
};

class OpenVla : public TowerModel {
 public:
  OpenVla(const OpenVlaOptions& o, const torch::TensorOptions& t) : options_(o) {
    const auto backbone = register_module("vision_backbone", std::make_shared<PrismaticPart>());
    constexpr std::array<const char*, 2> kNames{"featurizer", "fused_featurizer"};
    for (std::size_t i = 0; i < o.towers.size(); ++i)
      towers_.push_back(
          backbone->register_module(kNames[i], std::make_shared<TimmTower>(o.towers[i], t)));
    projector_ = register_module("projector", std::make_shared<PrismaticProjector>(o, t));
    const auto language = register_module("language_model", std::make_shared<PrismaticPart>());
    const Decoder decoder = language->register_module("model", Decoder(o.text, t));
    declare_part(kVisionTower, "vision_backbone.");
    declare_part(kProjector, "projector.");
    hold(decoder, language->register_module("lm_head", head_of(decoder, /*tied=*/false, t)),
         o.image_token);
  }

  /// pixel_values [images, 3 · towers, height, width], each tower's own three.
  Tensor tower(const ModelInput& input) override {
    std::vector<Tensor> states;
    for (std::size_t i = 0; i < towers_.size(); ++i) {
      const auto first = static_cast<std::int64_t>(3 * i);
      states.push_back(towers_[i]->forward(input.pixel_values.slice(1, first, first + 3)));
    }
    return (states.size() == 1 ? states.front() : at::cat(states, 2)).flatten(0, 1);
  }
  std::int64_t feature_rows(const PictureFacts& picture) const override {
    return picture.rows * options_.towers.front().patches();
  }
  ModelGeometry geometry() const override {
    const TimmTowerOptions& first = options_.towers.front();
    ModelGeometry g = describe(first);
    g.vision_tokens = first.tokens();
    g.image_tokens = first.patches();
    return g;
  }
  std::int64_t feature_numbers(const PictureLoad& pictures) const override {
    return pictures.images * options_.towers.front().patches() * options_.feature_width();
  }

 protected:
  Tensor project(const Tensor& features, const ModelInput&) override {
    return projector_->forward(features);
  }
  TowerCost tower_cost(const Pass& pass) const override {
    TowerCost cost;
    for (const auto& tower : towers_) {
      const TowerCost own = tower->cost(pass);
      cost.trains = cost.trains || own.trains;
      cost.flows = cost.flows || own.flows;
      cost.unreached += own.unreached;
      cost.stages.insert(cost.stages.end(), own.stages.begin(), own.stages.end());
    }
    return cost;
  }
  ProjectorCost projector_cost(const Pass& pass) const override {
    return projector_->cost(pass.terms, pass.pictures.tokens);
  }

 private:
  OpenVlaOptions options_;
  std::vector<std::shared_ptr<TimmTower>> towers_;
  std::shared_ptr<PrismaticProjector> projector_;
};

/// The towers by their names; `timm_model_args` (ours, for small ones) may say other sizes of each,
/// and `image_sizes` how large their pictures are.
Result<std::vector<TimmTowerOptions>> read_towers(const Json& config, const std::string& where) {
  const auto ids = config.find("timm_model_ids");
  if (ids == config.end() || !ids->is_array() || ids->empty() || ids->size() > 2)
    return input_error("One tower or two are expected.", where + ": timm_model_ids");
  const Json args = config.value("timm_model_args", Json::array());
  const Json sizes = config.value("image_sizes", Json::array());
  std::vector<TimmTowerOptions> towers;
  for (std::size_t i = 0; i < ids->size(); ++i) {
    const std::string place = where + ": timm_model_ids[" + std::to_string(i) + "]";
    if (!(*ids)[i].is_string()) return input_error("A tower's name is expected.", place);
    Json own = args.is_array() && i < args.size() && args[i].is_object() ? args[i] : Json::object();
    if (sizes.is_array() && i < sizes.size() && sizes[i].is_number_integer())
      own["img_size"] = sizes[i];
    LUTHIER_TRY(TimmTowerOptions tower, read_timm_tower((*ids)[i].get<std::string>(), own, place));
    towers.push_back(tower);
  }
  if (towers.size() == 2 && (towers[0].patches() != towers[1].patches() ||
                             towers[0].image_height != towers[1].image_height))
    return input_error("The two towers see unlike numbers of patches.", where + ": timm_model_ids");
  const auto layers = config.find("timm_override_act_layers");
  for (const Json& layer : layers != config.end() && layers->is_array() ? *layers : Json::array())
    if (!layer.is_null())
      return input_error("Another activation in a tower is not built.",
                         where + ": timm_override_act_layers");
  return towers;
}

ProcessorDefaults openvla_processor() { return {"PrismaticImageProcessor"}; }

/// Of a robot's row, whose picture is as many tokens as the towers have patches. The processor must
/// make the channels of each tower, of the towers' own size.
Result<ImageTokens> openvla_tokens(const OpenVlaOptions& o, const std::filesystem::path& folder) {
  LUTHIER_TRY(const auto processor, ImageProcessor::load(folder, openvla_processor()));
  LUTHIER_TRY(const PixelValues outline, outline_of(*processor, 64, 64, folder.string()));
  const TimmTowerOptions& tower = o.towers.front();
  const auto channels = static_cast<std::int64_t>(3 * o.towers.size());
  const std::vector<std::int64_t> wanted{1, channels, tower.image_height, tower.image_width};
  if (outline.shape != wanted || !outline.grid.empty())
    return input_error("The picture processor does not make " + std::to_string(channels) +
                           " channels of " + std::to_string(tower.image_height) + " x " +
                           std::to_string(tower.image_width) + ", which the towers take.",
                       (folder / "preprocessor_config.json").string() + ": input_sizes",
                       "Processor and config.json do not belong together.");
  ImageTokens tokens;
  tokens.mark.clear();
  tokens.form = RowForm::Robot;
  tokens.count = tower.patches();
  return tokens;
}

Result<Plan> read_openvla(const Json& config, const std::filesystem::path& folder) {
  const std::string where = (folder / "config.json").string();
  OpenVlaOptions o;
  LUTHIER_TRY(o.towers, read_towers(config, where));
  LUTHIER_TRY(Json text, config_section(config, "text_config", where));
  if (!text.contains("model_type")) text["model_type"] = "llama";
  LUTHIER_TRY(o.text, read_decoder_options(text, where + ": text_config"));
  LUTHIER_TRY(const std::string arch, json_string(config, "arch_specifier", where, ""));
  const char* wanted = o.fused() ? "fused-gelu-mlp" : "gelu-mlp";
  if (!arch.empty() && !arch.ends_with(wanted))
    return input_error("The projector \"" + arch + "\" is not built.", where + ": arch_specifier",
                       std::string("It is no-align+") + wanted + ".");
  LUTHIER_TRY(const std::int64_t padded, json_int(config, "pad_to_multiple_of", where, 64));
  const TokenId words = o.text.vocab_size - padded;
  if (padded < 1 || words < 2)
    return input_error("pad_to_multiple_of leaves no vocabulary.", where + ": pad_to_multiple_of");
  o.image_token = o.text.vocab_size - 1;
  Plan plan;
  plan.build = [o](const torch::TensorOptions& tensors, HeadWeight) {
    return std::make_shared<OpenVla>(o, tensors);
  };
  plan.form = RowForm::Robot;
  LUTHIER_TRY(plan.labels.actions, read_action_options(config, words, where));
  LUTHIER_TRY(plan.labels.actions->space,
              json_int(config, "action_space_token_id", where, plan.labels.actions->space));
  if (plan.labels.actions->space < 0 || plan.labels.actions->space >= words)
    return input_error("The token before an action is none of the vocabulary.",
                       where + ": action_space_token_id");
  plan.pictures = PicturePlan{o.image_token, openvla_processor(),
                              [o](const auto& files) { return openvla_tokens(o, files); }};
  plan.initializer_range = o.text.initializer_range;
  return plan;
}

}  // namespace

extern const Family openvla_family;
const Family openvla_family{"openvla", /*takes_pictures=*/true, read_openvla, same_name, same_name};

}  // namespace luthier
