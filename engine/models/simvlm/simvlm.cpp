// SPDX-License-Identifier: GPL-3.0-or-later
// SimVLM (Wang et al. 2022; transformers has no class of it) as one stack: a picture's patches, by
// ResNet's first three stages and a product, and the first words of its text are a prefix that sees
// itself both ways, and the rest of the text is written from it. Without a picture the prefix is
// words alone. The stem has ResNetModel's names, decoder and head those of the decoder's own class,
// so that either loads a folder's tensors by itself. Places are the decoder's own, patches' among
// them.
#include "engine/data/asked_question.h"
#include "engine/models/blip2/language_half.h"
#include "engine/models/caption_tokens.h"
#include "engine/models/config_numbers.h"
#include "engine/models/prefix_reader.h"
#include "engine/models/processor_files.h"
#include "engine/models/resnet/resnet_body.h"
#include "engine/models/tower_model.h"
#include "engine/nn/module_cost.h"

namespace luthier {

namespace simvlm {

using torch::Tensor;

struct Options {
  ResnetOptions vision;
  LanguageOptions text;
  std::int64_t image_size = 224;
  std::int64_t side = 0;  ///< patches along each
  TokenId image_token_id = -1;
  bool tie_word_embeddings = false;

  std::int64_t patches() const { return side * side; }
};

class SimVlm : public TowerModel, public PrefixReader {
 public:
  SimVlm(const Options& o, const torch::TensorOptions& t) : options_(o) {
    declare_part(kVisionTower, "resnet.");
    declare_part(kProjector, "patch_projection.");
    resnet_ = register_module("resnet", std::make_shared<ResnetBody>(o.vision, t));
    patch_projection_ = register_module(
        "patch_projection", Linear(resnet_->width(), o.text.decoder.hidden_size, true, t));
    const LanguageHalf half(o.text, t);
    register_module("model", half.named_children()["model"]);
    hold(half.decoder, register_module("lm_head", head_of(half.decoder, o.tie_word_embeddings, t)),
         o.image_token_id);
  }

  bool reads_prefix() const override { return true; }
  bool forks() const override { return false; }
  bool takes_forks(const StepTerms&) const override { return false; }

  /// The stem's last map, place by place: [pictures · patches, channels].
  Tensor tower(const ModelInput& input) override {
    return resnet_->map(input.pixel_values).flatten(2).transpose(1, 2).flatten(0, 1).contiguous();
  }
  std::int64_t feature_rows(const PictureFacts&) const override { return options_.patches(); }

  TokenSequence embed(const ModelInput& input) override {
    TokenSequence sequence = TowerModel::embed(input);
    sequence.blocks = take_prefix_back(input);
    return sequence;
  }
  void prepare(ModelInput& input) const override {
    TowerModel::prepare(input);
    set_prefix_aside(input);
  }

  ModelGeometry geometry() const override {
    const ModelGeometry stem = resnet_->geometry();
    ModelGeometry g = DecoderModel::geometry();
    g.vision_hidden_size = stem.vision_hidden_size, g.vision_layers = stem.vision_layers;
    g.vision_tokens = g.image_tokens = options_.patches();
    g.image_height = g.image_width = options_.image_size;
    return g;
  }
  std::int64_t feature_numbers(const PictureLoad& pictures) const override {
    return pictures.frames * options_.patches() * resnet_->width();
  }

 protected:
  Tensor project(const Tensor& features, const ModelInput&) override {
    return patch_projection_(features);
  }
  TowerCost tower_cost(const Pass& pass) const override { return resnet_->cost(pass); }
  ProjectorCost projector_cost(const Pass& pass) const override {
    const std::int64_t rows = pass.pictures.frames * options_.patches();
    const ProductsCost product = products_cost(pass.terms, {patch_projection_}, rows);
    ProjectorCost cost;
    cost.trains = product.trains;
    cost.kept = product.input + product.numbers;
    cost.work = product.work;
    cost.gradients = pass.terms.of(*patch_projection_).parameters * pass.terms.gradient_element;
    return cost;
  }
  bool makes_blocks() const override { return true; }

 private:
  Options options_;
  std::shared_ptr<ResnetBody> resnet_;
  Linear patch_projection_{nullptr};
};

Result<Options> read_options(const Json& config, const std::string& where) {
  Options o;
  LUTHIER_TRY(Json vision, config_section(config, "vision_config", where));
  LUTHIER_TRY(const Json text, config_section(config, "text_config", where));
  if (!vision.contains("hidden_sizes")) vision["hidden_sizes"] = {256, 512, 1024};
  if (!vision.contains("depths")) vision["depths"] = {3, 4, 6};
  LUTHIER_TRY(o.vision, read_resnet_options(vision, where + ": vision_config"));
  LUTHIER_TRY(o.text, read_language_options(text, where + ": text_config", "llama"));
  if (o.text.decoder.carries_states())
    return input_error("A decoder that carries a state along its rows cannot look ahead in them.",
                       where + ": text_config: model_type", "Give one of attention alone.");
  LUTHIER_CHECK(read_in_range(config, "image_size", where, 1, 1 << 12, o.image_size));
  o.side = map_side(o.vision, o.image_size);
  constexpr std::int64_t kMostIds = 1 << 24;
  LUTHIER_TRY(o.image_token_id, read_image_token(config, {"image_token_id"},
                                                 o.text.decoder.vocab_size, kMostIds, where));
  if (o.text.longest_row > 0 && o.patches() >= o.text.longest_row)
    return input_error("A picture is " + std::to_string(o.patches()) +
                           " patches, and the language model has positions for " +
                           std::to_string(o.text.longest_row) + " tokens.",
                       where + ": image_size", "Make the picture smaller.");
  o.tie_word_embeddings = o.text.decoder.tie_word_embeddings;
  return o;
}

ProcessorDefaults picture_processor() { return {"ConvNextImageProcessor"}; }

/// Patches, the question's words behind them, and the answer up to the tokenizer's end.
Result<ImageTokens> image_tokens(const Options& options, const std::filesystem::path& folder) {
  LUTHIER_CHECK(
      check_one_frame(folder, picture_processor(), options.image_size, options.image_size));
  ImageTokens tokens;
  LUTHIER_TRY(tokens.mark, tokenizer_attribute(folder, "image_token", "<image>"));
  tokens.form = RowForm::PrefixSuffix;
  const std::string patches = repeated(tokens.mark, options.patches());
  tokens.expand = [patches](const PixelValues&) { return patches; };
  tokens.ask = [](const std::string& question) -> Result<std::string> {
    return written({question, -1, {}});
  };
  return tokens;
}

Result<Plan> read(const Json& config, const std::filesystem::path& folder) {
  LUTHIER_TRY(const Options options, read_options(config, (folder / "config.json").string()));
  Plan plan;
  plan.build = builder<SimVlm>(options);
  plan.pictures =
      PicturePlan{options.image_token_id, picture_processor(),
                  [options](const auto& files) { return image_tokens(options, files); }};
  plan.initializer_range = options.text.decoder.initializer_range;
  plan.longest_row = options.text.longest_row;
  return plan;
}

}  // namespace simvlm

extern const Family simvlm_family;
const Family simvlm_family{"simvlm", /*takes_pictures=*/true, simvlm::read, same_name, same_name};

}  // namespace luthier
