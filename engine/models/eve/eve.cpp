// SPDX-License-Identifier: GPL-3.0-or-later
// EVE (Diao et al. 2024; transformers has no class of it): no tower; a picture's patches go through
// one shallow layer and a projector of two products into Llama, which learns to see by itself. The
// configuration is the authors', one flat object with Llama's own fields; names are those of their
// EVELlamaForCausalLM, so that LlamaForCausalLM loads its half of a folder. Their placeholder of a
// picture (−200) is no word of the tokenizer; here it is `<image>`, whose id may lie behind the
// table of words.
#include "engine/models/config_numbers.h"
#include "engine/models/eve/vision_tokenizer.h"
#include "engine/models/processor_files.h"
#include "engine/models/tower_model.h"
#include "engine/nn/module_cost.h"
#include "engine/vision/processor_settings.h"

namespace luthier {

namespace eve {

using torch::Tensor;

struct Options {
  DecoderOptions text;
  TokenizerSizes vision;
  TokenId image_token_id = -1;
  bool tie_word_embeddings = false;
};

/// mlp2x_gelu: Sequential of a product, GELU, a product.
class TwoLayers : public torch::nn::Module {
 public:
  TwoLayers(std::int64_t in, std::int64_t out, const torch::TensorOptions& t) {
    first_ = register_module("0", Linear(in, out, /*bias=*/true, t));
    second_ = register_module("2", Linear(out, out, /*bias=*/true, t));
  }
  Tensor forward(const Tensor& x) { return second_(activate(first_(x), Activation::Gelu)); }
  ProjectorCost cost(const StepTerms& terms, std::int64_t tokens) const {
    const TrainedShare first = terms.of(*first_), second = terms.of(*second_);
    return {first.trains || second.trains, projector_kept(terms, tokens, first_->in_features(),
                                                          first_->out_features(), first, second)};
  }

 private:
  Linear first_{nullptr}, second_{nullptr};
};

class Eve : public TowerModel {
 public:
  Eve(const Options& o, const torch::TensorOptions& t) : options_(o) {
    declare_part(kVisionTower, "model.vision_tower.");
    declare_part(kProjector, "model.mm_projector.");
    Decoder text(o.text, t);
    tokenizer_ =
        text->register_module("vision_tower", std::make_shared<VisionTokenizer>(o.vision, t));
    projector_ = text->register_module(
        "mm_projector", std::make_shared<TwoLayers>(o.vision.width, o.text.hidden_size, t));
    register_module("model", text);
    hold(text, register_module("lm_head", head_of(text, o.tie_word_embeddings, t)),
         o.image_token_id);
  }

  Tensor tower(const ModelInput& input) override {
    return tokenizer_->forward(input.pixel_values, input.pictures);
  }
  std::int64_t feature_rows(const PictureFacts& picture) const override {
    return squares_of(picture.grid, options_.vision.conv_stride).tokens();
  }

  ModelGeometry geometry() const override {  // a picture's patches and tokens go by its size
    VisionSizes sizes;
    sizes.hidden_size = options_.vision.width;
    sizes.num_hidden_layers = 0, sizes.num_attention_heads = kHeads;
    ModelGeometry g = describe(sizes);
    g.patches_per_token = options_.vision.square();
    return g;
  }

  std::int64_t feature_numbers(const PictureLoad& pictures) const override {
    return pictures.tokens * options_.vision.width;
  }

 protected:
  Tensor project(const Tensor& features, const ModelInput&) override {
    return projector_->forward(features);
  }
  TowerCost tower_cost(const Pass& pass) const override { return tokenizer_->cost(pass); }
  ProjectorCost projector_cost(const Pass& pass) const override {
    return projector_->cost(pass.terms, pass.pictures.tokens);
  }

 private:
  const Options options_;
  std::shared_ptr<VisionTokenizer> tokenizer_;
  std::shared_ptr<TwoLayers> projector_;
};

Result<Options> read_options(const Json& config, const std::string& where) {
  Options o;
  Json text = config;
  text["model_type"] = "llama";
  LUTHIER_TRY(o.text, read_decoder_options(text, where));
  o.tie_word_embeddings = o.text.tie_word_embeddings;
  LUTHIER_CHECK(read_in_range(config, "mm_hidden_size", where, 1, 1 << 20, o.vision.width));
  if (o.vision.width % kHeads != 0)
    return input_error("The patch embedding's " + std::to_string(o.vision.width) +
                           " numbers do not divide into " + std::to_string(kHeads) + " heads.",
                       where + ": mm_hidden_size",
                       "It must be a multiple of " + std::to_string(kHeads) + ".");
  LUTHIER_CHECK(read_in_range(config, "patch_stride", where, 1, 1 << 10, o.vision.patch_stride));
  LUTHIER_CHECK(read_in_range(config, "conv_stride", where, 1, 64, o.vision.conv_stride));
  LUTHIER_TRY(const std::string projector,
              json_string(config, "mm_projector_type", where, "mlp2x_gelu"));
  if (projector != "mlp2x_gelu")
    return input_error("The projector \"" + projector + "\" is not one that Luthier makes here.",
                       where + ": mm_projector_type", "EVE's is mlp2x_gelu.");
  constexpr std::int64_t kMostIds = 1 << 24;
  LUTHIER_TRY(o.image_token_id,
              read_image_token(config, {"image_token_id"}, o.text.vocab_size, kMostIds, where));
  return o;
}

/// The authors' files call the processor a CLIPFeatureExtractor, whose fields theirs stand beside.
ProcessorDefaults picture_processor() {
  return {"EveImageProcessor", {{"image_processor_type", "EveImageProcessor"}}};
}

/// A class token, and rows of squares with what ends each.
Result<ImageTokens> image_tokens(const Options& o, const std::filesystem::path& folder) {
  LUTHIER_TRY(const auto settings, detail::read_picture_settings(folder, picture_processor()));
  const auto check = [&](const char* key, std::int64_t standard, std::int64_t own) {
    return check_processor_number(settings.config, settings.where, key, standard, own);
  };
  LUTHIER_CHECK(check("patch_stride", 14, o.vision.patch_stride));
  LUTHIER_CHECK(check("conv_stride", 2, o.vision.conv_stride));
  LUTHIER_TRY(const auto processor, ImageProcessor::create(settings.config, settings.where));
  constexpr int kSquareEdge = 64;  // a square picture has the most tokens
  LUTHIER_TRY(const PixelValues outline,
              outline_of(*processor, kSquareEdge, kSquareEdge, settings.where));
  const std::int64_t most = squares_of(outline.grid, o.vision.conv_stride).tokens(),
                     positions = o.text.rotary.max_position_embeddings;
  if (most >= positions)
    return input_error("A square picture is " + std::to_string(most) +
                           " tokens, and the language model has positions for " +
                           std::to_string(positions) + ".",
                       settings.where + ": image_size", "Make image_size smaller.");
  ImageTokens tokens;
  LUTHIER_TRY(tokens.mark, tokenizer_attribute(folder, "image_token", "<image>"));
  tokens.expand = [mark = tokens.mark, side = o.vision.conv_stride](const PixelValues& pixels) {
    return repeated(mark, squares_of(pixels.grid, side).tokens());
  };
  return tokens;
}

Result<Plan> read(const Json& config, const std::filesystem::path& folder) {
  LUTHIER_TRY(const Options options, read_options(config, (folder / "config.json").string()));
  Plan plan;
  plan.build = builder<Eve>(options);
  plan.pictures =
      PicturePlan{options.image_token_id, picture_processor(),
                  [options](const auto& files) { return image_tokens(options, files); }};
  plan.initializer_range = options.text.initializer_range;
  return plan;
}

/// The authors' files of before the last stage hold CLIP and the aligning layers, too.
void without_alignment(Json& config) { config["requires_cliploss"] = false; }

}  // namespace eve

extern const Family eve_family;
const Family eve_family{.model_type = "eve",
                        .takes_pictures = true,
                        .read = eve::read,
                        .memory_name = same_name,
                        .stored_name = same_name,
                        .leave_out = eve::without_alignment};

}  // namespace luthier
