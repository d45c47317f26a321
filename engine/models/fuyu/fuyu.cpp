// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/fuyu/fuyu.h"

#include <array>
#include <string_view>

#include "engine/models/class_arguments.h"
#include "engine/models/config_numbers.h"
#include "engine/models/processor_files.h"
#include "engine/models/tower_model.h"
#include "engine/nn/module_cost.h"
#include "engine/vision/processor_settings.h"

namespace luthier {

using torch::Tensor;

namespace {

class FuyuBody : public torch::nn::Module {
 public:
  FuyuBody(const FuyuModelOptions& o, const torch::TensorOptions& t) {
    language_model = register_module("language_model", Decoder(o.text, t));
    vision_embed_tokens = register_module(
        "vision_embed_tokens", Linear(o.patch_values(), o.text.hidden_size, /*bias=*/true, t));
  }
  Decoder language_model{nullptr};
  Linear vision_embed_tokens{nullptr};
};

class Fuyu : public TowerModel {
 public:
  Fuyu(const FuyuModelOptions& o, const torch::TensorOptions& t)
      : options_(o), body_(std::make_shared<FuyuBody>(o, t)) {
    declare_part(kProjector, "model.vision_embed_tokens.");
    assemble(body_, body_->language_model, o.tie_word_embeddings, o.image_token_id, t);
  }

  /// The patches themselves.
  Tensor tower(const ModelInput& input) override {
    const Tensor& pixels = input.pixel_values;
    TORCH_CHECK(pixels.dim() == 2 && pixels.size(1) == options_.patch_values(),
                "the pictures' patches do not fit the model");
    return pixels.to(body_->vision_embed_tokens->weight.dtype());
  }

  ModelGeometry geometry() const override {  // a picture's patches and tokens go by its size
    VisionSizes sizes;
    sizes.hidden_size = options_.patch_values();
    sizes.num_hidden_layers = sizes.num_attention_heads = 0;
    return describe(sizes);
  }

  std::int64_t feature_numbers(const PictureLoad& pictures) const override {
    return pictures.patches * options_.patch_values();
  }

 protected:
  Tensor project(const Tensor& features, const ModelInput&) override {
    return body_->vision_embed_tokens(features);
  }
  TowerCost tower_cost(const Pass&) const override { return {}; }
  ProjectorCost projector_cost(const Pass& pass) const override {
    const ProductsCost product =
        products_cost(pass.terms, {body_->vision_embed_tokens}, pass.pictures.patches);
    // The patches stand as the tower's features already.
    return {product.trains, product.numbers, product.work};
  }

 private:
  const FuyuModelOptions options_;
  std::shared_ptr<FuyuBody> body_;
};

ProcessorDefaults fuyu_processor() { return {"FuyuImageProcessor"}; }

constexpr const char *kPatchWord = "|SPEAKER|", *kRowWord = "|NEWLINE|", *kBeginning = "<s>",
                     *kAnswer = "<0x04>";

/// FuyuProcessor's own words, which no file names: a token a patch, one behind each row of them,
/// the first token of a text, and what stands before an answer.
Result<ImageTokens> fuyu_image_tokens(const FuyuModelOptions& options,
                                      const std::filesystem::path& folder) {
  LUTHIER_TRY(const auto settings, detail::read_picture_settings(folder, fuyu_processor()));
  LUTHIER_TRY(const auto processor, ImageProcessor::create(settings.config, settings.where));
  LUTHIER_TRY(const PixelValues outline,
              outline_of(*processor, static_cast<int>(options.patch_size),
                         static_cast<int>(options.patch_size), settings.where));
  if (outline.shape.size() != 2 || outline.grid.size() != 3)
    return other_processor(settings.where, "FuyuImageProcessor");
  if (outline.shape[1] != options.patch_values())
    return input_error(
        "The picture processor cuts patches of " + std::to_string(outline.shape[1]) +
            " numbers, the model takes " + std::to_string(options.patch_values()) + ".",
        settings.where + ": patch_size", "Processor and weights do not belong together.");
  ImageTokens tokens;
  tokens.mark = kPatchWord;
  tokens.form = RowForm::PrefixSuffix;
  tokens.expand = [](const PixelValues& pixels) {
    return repeated(repeated(kPatchWord, pixels.grid.at(2)) + kRowWord, pixels.grid.at(1)) +
           kBeginning;
  };
  tokens.ask = [](const std::string& question) -> Result<std::string> {
    return question + kAnswer;
  };
  return tokens;
}

/// Patches of all pictures, one behind the other, as the rows have places for them.
Status fuyu_given(const GivenArguments& given, const Json&, ModelInput& input) {
  const char* const name = given.find("pixel_values") ? "pixel_values" : "image_patches";
  LUTHIER_TRY(const Tensor patches, given.wanted(name));
  if (patches.dim() != 2 && patches.dim() != 3)
    return given.shape_error(name, "[pictures, patches, numbers]");
  input.pixel_values = patches.to(torch::kFloat32).reshape({-1, patches.size(-1)});
  const std::int64_t count = input.pixel_values.size(0);
  input.pictures = {PictureFacts{count, {1, 1, count}}};
  return {};
}

struct FuyuRenaming {
  std::string_view from, to;
};

std::string fuyu_renamed(const std::string& name, const auto& table) {
  for (const FuyuRenaming& row : table)
    if (name.starts_with(row.from)) return std::string(row.to) + name.substr(row.from.size());
  return name;
}

std::string fuyu_memory_name(const std::string& stored) {
  static constexpr std::array<FuyuRenaming, 4> kTable{{
      {"language_model.lm_head.", "lm_head."},
      {"language_model.model.", "model.language_model."},
      {"language_model.", "model.language_model."},
      {"vision_embed_tokens.", "model.vision_embed_tokens."},
  }};
  return fuyu_renamed(stored, kTable);
}

std::string fuyu_stored_name(const std::string& memory) {
  static constexpr std::array<FuyuRenaming, 3> kTable{{
      {"lm_head.", "language_model.lm_head."},
      {"model.language_model.", "language_model.model."},
      {"model.vision_embed_tokens.", "vision_embed_tokens."},
  }};
  return fuyu_renamed(memory, kTable);
}

Result<Plan> read_fuyu(const Json& config, const std::filesystem::path& folder) {
  LUTHIER_TRY(const FuyuModelOptions options,
              read_fuyu_options(config, (folder / "config.json").string()));
  Plan plan;
  plan.build = builder<Fuyu>(options);
  plan.pictures =
      PicturePlan{options.image_token_id, fuyu_processor(),
                  [options](const auto& files) { return fuyu_image_tokens(options, files); }};
  plan.initializer_range = options.text.initializer_range;
  plan.initializer_ranges = [text = options.text.initializer_range,
                             own = options.initializer_range](const std::string& name) {
    return name.starts_with("model.language_model.") ? text : own;
  };
  return plan;
}

}  // namespace

Result<FuyuModelOptions> read_fuyu_options(const Json& config, const std::string& where) {
  FuyuModelOptions o;
  LUTHIER_TRY(Json text, config_section(config, "text_config", where));
  if (text.empty()) {  // the decoder's sizes at the top level, as FuyuConfig takes them
    for (const char* key : {"vocab_size", "max_position_embeddings", "hidden_size",
                            "intermediate_size", "num_hidden_layers", "num_attention_heads",
                            "hidden_act", "initializer_range", "layer_norm_eps", "rope_parameters",
                            "qk_layernorm", "hidden_dropout", "attention_dropout"})
      if (const auto found = config.find(key); found != config.end()) text[key] = *found;
  }
  LUTHIER_TRY(o.text, read_decoder_options(text, where + ": text_config", "persimmon"));
  std::int64_t width = 4096;
  LUTHIER_CHECK(read_in_range(config, "hidden_size", where, 1, 1 << 20, width));
  if (width != o.text.hidden_size)
    return input_error("Patches become " + std::to_string(width) + " numbers, the decoder takes " +
                           std::to_string(o.text.hidden_size) + ".",
                       where + ": hidden_size", "It must be the decoder's hidden_size.");
  LUTHIER_CHECK(read_in_range(config, "patch_size", where, 1, 1 << 10, o.patch_size));
  LUTHIER_CHECK(read_in_range(config, "num_channels", where, 3, 3, o.num_channels));
  LUTHIER_TRY(o.tie_word_embeddings, json_bool(config, "tie_word_embeddings", where, false));
  LUTHIER_TRY(o.initializer_range,
              json_number(config, "initializer_range", where, o.initializer_range));
  LUTHIER_TRY(o.image_token_id,
              read_image_token(config, {"image_token_id"}, 71011, o.text.vocab_size, where));
  return o;
}

const Family fuyu_family{.model_type = "fuyu",
                         .takes_pictures = true,
                         .read = read_fuyu,
                         .memory_name = fuyu_memory_name,
                         .stored_name = fuyu_stored_name,
                         .by_tensors = {fuyu_given}};

}  // namespace luthier
