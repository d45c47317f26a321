// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/phi4_multimodal/phi4_multimodal.h"

#include "engine/base/log.h"
#include "engine/models/class_arguments.h"
#include "engine/models/family.h"
#include "engine/models/processor_files.h"
#include "engine/models/tower_model.h"
#include "engine/nn/module_cost.h"
#include "engine/vision/processor_settings.h"

namespace luthier {

using torch::Tensor;

namespace {

constexpr const char* kPhi4Processor = "Phi4MultimodalImageProcessor";
constexpr const char* kPhi4Order = "features_and_separators";
constexpr const char* kPhi4Images = "model.embed_tokens_extend.image_embed.";
/// Features along either side of a frame, as the processor counts them whatever its settings say.
constexpr std::int64_t kCountedSide = 16;

class Phi4ImageEmbedding : public ParameterModule {
 public:
  Phi4ImageEmbedding(const Phi4MultimodalOptions& o, const torch::TensorOptions& t) {
    const std::int64_t in = o.vision.hidden_size, out = o.text.hidden_size;
    add_parameter("global_img_feature_extensor", view_end_, {1, 1, in}, t);
    add_parameter("sub_img_feature_extensor", line_end_, {1, 1, 1, in}, t);
    img_processor = register_module("img_processor", std::make_shared<Phi4Tower>(o.vision, t));
    up_ = register_module("img_projection_up", Linear(in, out, true, t));
    down_ = register_module("img_projection_down", Linear(out, out, true, t));
  }
  std::string type_name() const override { return "Parameter"; }
  Tensor first_value(const std::string& name, const at::Generator&) const override {
    const Tensor& own = name == "sub_img_feature_extensor" ? line_end_ : view_end_;
    return torch::zeros(own.sizes(), torch::kFloat32);
  }

  /// `order` [tokens] int64: of the features, of the lines' end behind them, and of the squares'.
  Tensor forward(const Tensor& features, const Tensor& order) {
    const std::int64_t width = features.size(1);
    const Tensor table = at::cat({features, line_end_.view({1, width}).to(features.scalar_type()),
                                  view_end_.view({1, width}).to(features.scalar_type())});
    return down_(activate(up_(table.index_select(0, order)), Activation::Gelu));
  }
  ProjectorCost cost(const Pass& pass, bool flows) const {
    const StepTerms& terms = pass.terms;
    const TrainedShare first = terms.of(*up_), second = terms.of(*down_), own = terms.of(*this);
    const std::int64_t tokens = pass.pictures.tokens, in = up_->in_features();
    ProjectorCost cost;
    cost.trains = first.trains || second.trains || own.trains;
    cost.kept = projector_kept(terms, tokens, in, up_->out_features(), first, second) +
                terms.block(tokens, 8);
    if (flows || own.trains) cost.work = 2 * terms.block(tokens * in);
    return cost;
  }

  std::shared_ptr<Phi4Tower> img_processor;

 private:
  Tensor view_end_, line_end_;
  Linear up_{nullptr}, down_{nullptr};
};

class Phi4FeatureEmbedding : public torch::nn::Module {
 public:
  Phi4FeatureEmbedding(const Phi4MultimodalOptions& o, const torch::TensorOptions& t) {
    image_embed = register_module("image_embed", std::make_shared<Phi4ImageEmbedding>(o, t));
  }
  std::shared_ptr<Phi4ImageEmbedding> image_embed;
};

class Phi4Multimodal : public TowerModel {
 public:
  Phi4Multimodal(const Phi4MultimodalOptions& o, const torch::TensorOptions& t)
      : options_(o), cut_(o.vision.cut()) {
    declare_part(kVisionTower, std::string(kPhi4Images) + "img_processor.");
    declare_part(kProjector, kPhi4Images);
    Decoder decoder(o.text, t);
    extend_ = decoder->register_module("embed_tokens_extend",
                                       std::make_shared<Phi4FeatureEmbedding>(o, t));
    assemble(decoder.ptr(), decoder, o.tie_word_embeddings, o.image_token_id, t);
  }
  Tensor tower(const ModelInput& input) override {
    return extend_->image_embed->img_processor->forward(input);
  }
  std::int64_t feature_rows(const PictureFacts& picture) const override {
    return cut_.features(picture.grid);
  }
  void prepare(ModelInput& input) const override {
    TowerModel::prepare(input);
    if (input.pictures.empty()) return;
    input.aside[kPhi4Order] = order(input.pictures);
    if (input.pixel_values.defined()) extend_->image_embed->img_processor->prepare(input);
  }
  ModelGeometry geometry() const override {  // tokens go by what squares show
    ModelGeometry g = describe(options_.vision);
    g.vision_tokens = cut_.side * cut_.side;
    g.image_height = g.image_width = options_.vision.crop_size;
    g.tile_tokens = TileTokens::Varying;
    return g;
  }
  std::int64_t feature_numbers(const PictureLoad& pictures) const override {
    return extend_->image_embed->img_processor->features(pictures) * options_.vision.hidden_size;
  }

 protected:
  Tensor project(const Tensor& features, const ModelInput& input) override {
    const auto made = input.aside.find(kPhi4Order);
    return extend_->image_embed->forward(
        features,
        made != input.aside.end() ? made->second : order(input.pictures).to(features.device()));
  }
  TowerCost tower_cost(const Pass& pass) const override {
    return extend_->image_embed->img_processor->cost(pass);
  }
  ProjectorCost projector_cost(const Pass& pass) const override {
    return extend_->image_embed->cost(pass, tower_cost(pass).flows);
  }

 private:
  Tensor order(const std::vector<PictureFacts>& pictures) const {
    std::int64_t all = 0;
    for (const PictureFacts& picture : pictures) all += cut_.features(picture.grid);
    std::vector<std::int64_t> order;
    std::int64_t first = 0;
    for (const PictureFacts& picture : pictures) {
      cut_.add_order(picture.grid, first, all, all + 1, order);
      first += cut_.features(picture.grid);
    }
    return torch::tensor(order, torch::kInt64);
  }

  Phi4MultimodalOptions options_;
  Phi4Cut cut_;
  std::shared_ptr<Phi4FeatureEmbedding> extend_;
};

/// A processor that cuts other squares than the tower takes would fail in the middle of a run.
Status check_phi4_processor(const Phi4MultimodalOptions& o, const std::filesystem::path& folder,
                            const ProcessorDefaults& defaults) {
  LUTHIER_TRY(const auto settings, detail::read_picture_settings(folder, defaults));
  LUTHIER_TRY(const auto processor, ImageProcessor::create(settings.config, settings.where));
  LUTHIER_TRY(const PixelValues outline, outline_of(*processor, 64, 64, settings.where));
  if (outline.shape.size() != 4 || outline.grid.size() != 4)
    return other_processor(settings.where, kPhi4Processor);
  if (outline.shape[2] != o.vision.crop_size)
    return input_error("The picture processor's squares have " + std::to_string(outline.shape[2]) +
                           " pixels a side, the tower's " + std::to_string(o.vision.crop_size) +
                           ".",
                       settings.where + ": size", "Processor and weights do not belong together.");
  LUTHIER_CHECK(check_processor_number(settings.config, settings.where, "patch_size", 14,
                                       o.vision.patch_size));
  if (o.vision.cut().pooled() != kCountedSide)
    return input_error("A frame comes to " + std::to_string(o.vision.cut().pooled()) +
                           " features a side, and the processor of this family writes 16 for it.",
                       (folder / "config.json").string() + ": vision_config: crop_size",
                       "Of crop_size and patch_size come 31 or 32 patches a side.");
  return {};
}

Result<ImageTokens> phi4_image_tokens(const Phi4MultimodalOptions& o,
                                      const std::filesystem::path& folder,
                                      const ProcessorDefaults& defaults) {
  LUTHIER_CHECK(check_phi4_processor(o, folder, defaults));
  log_info((folder / "config.json").string() +
           ": audio_config: The half that hears is left unread, and what is saved has none.");
  ImageTokens tokens;
  LUTHIER_TRY(tokens.mark, tokenizer_attribute(folder, "image_token", "<|image|>"));
  tokens.expand = [cut = o.vision.cut(), mark = tokens.mark](const PixelValues& pixels) {
    return repeated(mark, cut.tokens(pixels.grid));
  };
  return tokens;
}

/// Squares by image_sizes, the whole before them; which patches show something is what
/// image_attention_mask says of the first column and the first row of squares.
Status phi4_given(const GivenArguments& given, const Json& config, ModelInput& input) {
  constexpr const char* kMask = "image_attention_mask";
  LUTHIER_TRY(const Phi4MultimodalOptions o, read_phi4_multimodal_options(config, given.where()));
  const char* const name = given.find("pixel_values") ? "pixel_values" : "image_pixel_values";
  LUTHIER_TRY(const Tensor pixels, given.wanted(name));
  LUTHIER_TRY(const Tensor mask, given.wanted(kMask));
  const std::int64_t crop = o.vision.crop_size, side = o.vision.cut().side;
  if (pixels.dim() != 5 || pixels.size(4) != crop || pixels.size(3) != crop)
    return given.shape_error(name, "[pictures, 1 + squares, 3, crop_size, crop_size]");
  if (!mask.sizes().equals({pixels.size(0), pixels.size(1), side, side}))
    return given.shape_error(kMask, "[pictures, 1 + squares, patches, patches]");
  LUTHIER_TRY(const Tensor sizes, given.image_sizes(pixels.size(0)));
  std::vector<GivenMedium> pictures;
  for (std::int64_t i = 0; i < sizes.size(0); ++i) {
    const std::int64_t* size = sizes.const_data_ptr<std::int64_t>() + 2 * i;
    const std::int64_t rows = size[0] / crop, columns = size[1] / crop, frames = 1 + rows * columns;
    if (rows < 1 || columns < 1 || frames > pixels.size(1))
      return given.shape_error(name, "the squares that image_sizes asks for");
    const Tensor shows = mask[i].slice(0, 0, frames).ne(0);
    const Tensor squares = shows.slice(0, 1)
                               .view({rows, columns, side, side})
                               .transpose(1, 2)
                               .reshape({rows * side, columns * side});
    const auto down = squares.select(1, 0).sum().item<std::int64_t>(),
               across = squares.select(0, 0).sum().item<std::int64_t>();
    Tensor corner = torch::zeros_like(squares);
    corner.slice(0, 0, down).slice(1, 0, across) = true;
    if (!shows[0].all().item<bool>() || !corner.equal(squares) || down <= side * (rows - 1) ||
        across <= side * (columns - 1))
      return given.shape_error(kMask, "a picture in the upper left of its squares");
    pictures.push_back({{frames, {rows, columns, down, across}},
                        pixels[i].slice(0, 0, frames).to(torch::kFloat32)});
  }
  return given.put_media(pictures, {}, config, input);
}

Result<Plan> read_phi4_multimodal(const Json& config, const std::filesystem::path& folder) {
  LUTHIER_TRY(const Phi4MultimodalOptions options,
              read_phi4_multimodal_options(config, (folder / "config.json").string()));
  Plan plan;
  plan.build = builder<Phi4Multimodal>(options);
  const ProcessorDefaults defaults{kPhi4Processor};
  plan.pictures =
      PicturePlan{options.image_token_id, defaults, [options, defaults](const auto& files) {
                    return phi4_image_tokens(options, files, defaults);
                  }};
  plan.initializer_range = options.text.initializer_range;
  return plan;
}

}  // namespace

Result<Phi4MultimodalOptions> read_phi4_multimodal_options(const Json& config,
                                                           const std::string& where) {
  Phi4MultimodalOptions o;
  LUTHIER_TRY(const Json vision, config_section(config, "vision_config", where));
  LUTHIER_TRY(o.vision, read_phi4_vision(vision, where + ": vision_config"));
  LUTHIER_TRY(o.text, read_decoder_options(config, where, "phi4_multimodal"));
  LUTHIER_TRY(const double dropout, json_number(config, "embd_pdrop", where, 0.0));
  if (dropout != 0)
    return input_error("Dropout of embeddings is not built here: 0 is expected.",
                       where + ": embd_pdrop");
  o.tie_word_embeddings = o.text.tie_word_embeddings;
  LUTHIER_TRY(o.image_token_id, read_image_token(vision, {"image_token_id"}, 200010,
                                                 o.text.vocab_size, where + ": vision_config"));
  return o;
}

extern const Family phi4_multimodal_family;
const Family phi4_multimodal_family{.model_type = "phi4_multimodal",
                                    .takes_pictures = true,
                                    .read = read_phi4_multimodal,
                                    .memory_name = same_name,
                                    .stored_name = same_name,
                                    .by_tensors = {phi4_given}};

}  // namespace luthier
