// SPDX-License-Identifier: GPL-3.0-or-later
// CLIPSeg (Lüddecke & Ecker 2022) as CLIPSegForImageSegmentation of transformers 5.17: CLIP, which
// stands still, and a small decoder that says of each pixel whether a prompt means it. The prompt
// is a text's point in CLIP's space, or a picture's. As in that class nothing in CLIP ever gets a
// gradient, whatever is said to train, so what it makes of a picture is made once and kept.
#include "engine/models/clip/clip_sections.h"
#include "engine/models/clip/clip_text.h"
#include "engine/models/clipseg/segment_decoder.h"
#include "engine/models/clipseg/segmenter.h"
#include "engine/models/clipseg/square_frames.h"
#include "engine/models/config_numbers.h"
#include "engine/models/family.h"
#include "engine/models/pictures/config_lists.h"
#include "engine/models/pictures/picture_body.h"
#include "engine/models/two_towers/two_tower_parts.h"
#include "engine/models/vision_tower.h"
#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

struct ClipSegOptions {
  VisionTowerOptions vision;
  ClipTextOptions text;
  SegmentDecoderOptions decoder;
  double logit_scale_init_value = 2.6592;
};

/// CLIP's two towers with their ways into one space. Its scale is held for the file: nothing here
/// compares points.
class ClipOfSegments : public ParameterModule {
 public:
  ClipOfSegments(const ClipSegOptions& o, const torch::TensorOptions& t)
      : scale_(o.logit_scale_init_value) {
    add_parameter("logit_scale", logit_scale_, {}, t);
    texts = register_module("text_model", std::make_shared<ClipTextTower>(o.text, t));
    pictures = register_module("vision_model", VisionTower(o.vision, t));
    const std::int64_t width = o.decoder.projection_dim;
    from_picture =
        register_module("visual_projection", Linear(o.vision.hidden_size, width, false, t));
    from_text =
        register_module("text_projection", Linear(o.text.sizes.hidden_size, width, false, t));
  }
  std::string type_name() const override { return "Parameter"; }
  Tensor first_value(const std::string&, const at::Generator&) const override {
    return torch::full({}, scale_, torch::kFloat32);
  }

  std::shared_ptr<ClipTextTower> texts;
  VisionTower pictures{nullptr};
  Linear from_picture{nullptr}, from_text{nullptr};

 private:
  double scale_;
  Tensor logit_scale_;
};

class ClipSeg : public Model, public Segmenter, public PictureTower, public StepCosts {
 public:
  ClipSeg(const ClipSegOptions& o, const torch::TensorOptions& t) : options_(o) {
    declare_part(kVisionTower, "clip.vision_model.");
    declare_part(kVisionTower, "clip.visual_projection.");
    declare_part(kProjector, "decoder.");
    clip_ = register_module("clip", std::make_shared<ClipOfSegments>(o, t));
    decoder_ = register_module("decoder", std::make_shared<SegmentDecoder>(o.decoder, t));
  }

  PictureTower* picture_tower() override { return this; }
  const StepCosts* step_costs() const override { return this; }

  /// Of each picture the states that the decoder reads, layer after layer, and the state that a
  /// prompt is made of: [pictures · (layers · tokens + 1), width].
  Tensor tower(const ModelInput& input) override {
    const torch::NoGradGuard fixed;
    TORCH_CHECK(input.pixel_values.size(0) == static_cast<std::int64_t>(input.pictures.size()),
                "a picture is one frame");
    std::vector<std::int64_t> which;
    for (const std::int64_t layer : options_.decoder.extract_layers) which.push_back(layer + 1);
    which.push_back(-1);
    std::vector<Tensor> states = clip_->pictures->forward(input.pixel_values, which);
    states.back() = clip_->pictures->pooled_of(states.back()).unsqueeze(1);
    return at::cat(states, 1).flatten(0, 1);
  }

  Tensor segment(const ModelInput& input, const Rows& rows) override {
    std::vector<Tensor> activations;
    Tensor prompts;
    {
      const torch::NoGradGuard fixed;
      const Tensor made = features_of(input);
      const Tensor states = chosen(made, rows.pictures);
      const std::int64_t tokens = (made.size(1) - 1) / options_.decoder.depth();
      for (std::int64_t i = 0; i < options_.decoder.depth(); ++i)
        activations.push_back(states.narrow(1, i * tokens, tokens));
      prompts = points(input, rows, made.select(1, made.size(1) - 1));
    }
    return decoder_->forward(activations, prompts).to(torch::kFloat32);
  }

  Asked asked(const ModelInput& input, const Rows& rows) override {
    const torch::NoGradGuard fixed;
    const Tensor made = features_of(input);
    const Tensor first = made.select(1, made.size(1) - 1);
    return {points(input, rows, first), clip_->from_picture->forward(chosen(first, rows.pictures))};
  }

  PassCost cost(const Pass& pass) const override {
    const StepTerms& terms = pass.terms;
    Pass still = pass;  // as CLIP meets it
    still.terms.trained.clear(), still.terms.branches.clear();
    still.terms.checkpointing = false;
    const std::int64_t side = side_of(pass.pictures), frames = pass.pictures.frames;
    still.terms.frames = std::max<std::int64_t>(1, frames);
    const auto rows =
        std::min(pass.pictures.images, static_cast<std::int64_t>(pass.lengths.size()));
    // Where its tensors are said to train, all pictures of a batch go through the tower in the
    // step.
    const bool in_step =
        trained_within(terms, *clip_->pictures).trains || terms.of(*clip_->from_picture).trains;
    PassCost cost;
    cost.stages = {two_tower_inputs(pass, in_step)};
    const TowerCost tower = clip_->pictures->cost(still, frames * (side * side + 1),
                                                  options_.vision.num_hidden_layers, false);
    // Made in the step they are let go of behind the decoder's forward, which has copies.
    if (in_step) still.pictures.frames = 1;  // nothing is divided by them
    add_body_cost(tower, still, in_step ? 0 : terms.block(feature_numbers(pass.pictures)), cost);
    clip_->texts->add_cost(still, rows, cost);
    TowerCost decoder;
    decoder_->add_cost(decoder, terms, rows, side);
    decoder.add_to(cost, 0);
    cost.unreached += trained_within(terms, *clip_).parameters;
    const std::int64_t edge = side * options_.decoder.square();
    cost.head.vocabulary = edge * edge;  // numbers that are said of a row
    cost.head.width = options_.decoder.layer.hidden;
    return cost;
  }
  std::int64_t feature_numbers(const PictureLoad& pictures) const override {
    const std::int64_t side = side_of(pictures);
    return pictures.frames * (options_.decoder.depth() * (side * side + 1) + 1) *
           options_.vision.hidden_size;
  }

  ModelGeometry geometry() const override {
    ModelGeometry g = text_geometry(options_.text.sizes, options_.text.vocab_size);
    const VisionTowerOptions& v = options_.vision;
    g.vision_hidden_size = v.hidden_size, g.vision_layers = v.num_hidden_layers;
    g.vision_heads = v.num_attention_heads, g.vision_tokens = v.tokens();
    return g;
  }

 private:
  /// [pictures, features, hidden]: of the chosen layers, and the pooled one behind them.
  Tensor features_of(const ModelInput& input) {
    const auto pictures = static_cast<std::int64_t>(input.pictures.size());
    return (input.tower_features.defined() ? input.tower_features : tower(input))
        .view({pictures, -1, options_.vision.hidden_size});
  }

  /// Patches a side of frames that are square and all alike.
  std::int64_t side_of(const PictureLoad& pictures) const {
    const std::int64_t pixels = pictures.numbers / (3 * std::max<std::int64_t>(1, pictures.frames));
    std::int64_t edge = 0;
    while ((edge + 1) * (edge + 1) <= pixels) ++edge;
    return std::max<std::int64_t>(1, edge / options_.vision.patch_size);
  }
  /// Of each picture's states those of these pictures.
  static Tensor chosen(const Tensor& made, const std::vector<std::int64_t>& pictures) {
    bool as_they_are = static_cast<std::int64_t>(pictures.size()) == made.size(0);
    for (std::size_t i = 0; as_they_are && i < pictures.size(); ++i)
      as_they_are = pictures[i] == static_cast<std::int64_t>(i);
    return as_they_are ? made : made.index_select(0, torch::tensor(pictures).to(made.device()));
  }
  /// What each row's prompt is in CLIP's space, at whatever length: [rows, projection_dim].
  /// `pooled` [pictures, width].
  Tensor points(const ModelInput& input, const Rows& rows, const Tensor& pooled) {
    std::vector<std::int64_t> shown, places;
    for (std::size_t i = 0; i < rows.prompts.size(); ++i) {
      if (rows.prompts[i] < 0) continue;
      shown.push_back(rows.prompts[i]);
      places.push_back(static_cast<std::int64_t>(i));
    }
    const auto from_pictures = [&] { return clip_->from_picture(chosen(pooled, shown)); };
    if (!shown.empty() && shown.size() == rows.prompts.size()) return from_pictures();
    const auto count = static_cast<std::int64_t>(rows.prompts.size());
    const Tensor read = clip_->from_text(
        clip_->texts->forward(input.input_ids, row_layout(input), count, /*checkpointing=*/false));
    if (shown.empty()) return read;
    return read.index_copy(0, torch::tensor(places).to(read.device()), from_pictures());
  }

  ClipSegOptions options_;
  std::shared_ptr<ClipOfSegments> clip_;
  std::shared_ptr<SegmentDecoder> decoder_;
};

Status read_segment_decoder(const Json& config, const std::string& where, ClipSegOptions& o) {
  SegmentDecoderOptions& d = o.decoder;
  LUTHIER_CHECK(read_in_range(config, "projection_dim", where, 1, 1 << 20, d.projection_dim));
  LUTHIER_CHECK(read_list_in_range(config, "extract_layers", where, 64, 0,
                                   o.vision.num_hidden_layers - 1, d.extract_layers));
  for (const std::int64_t layer : d.extract_layers)  // those that stand by themselves
    LUTHIER_CHECK(in_range(layer, 0, o.vision.num_hidden_layers - 1, where, "extract_layers"));
  if (d.extract_layers.empty())
    return input_error("The decoder reads the states of no layer.", where + ": extract_layers",
                       "It is a list of layers of the picture tower, such as [3, 6, 9].");
  d.tower_width = o.vision.hidden_size, d.patch_size = o.vision.patch_size;
  d.layer = {64, 2048, 4, o.vision.layer_norm_eps, Activation::Relu};
  LUTHIER_CHECK(read_in_range(config, "reduce_dim", where, 1, 1 << 16, d.layer.hidden));
  LUTHIER_CHECK(
      read_in_range(config, "decoder_num_attention_heads", where, 1, 1 << 12, d.layer.heads));
  LUTHIER_CHECK(
      read_in_range(config, "decoder_intermediate_size", where, 1, 1 << 20, d.layer.intermediate));
  if (d.layer.hidden % d.layer.heads != 0)
    return input_error("reduce_dim is not a multiple of decoder_num_attention_heads.",
                       where + ": decoder_num_attention_heads");
  LUTHIER_TRY(d.conditional_layer, json_int(config, "conditional_layer", where, 0));
  if (d.conditional_layer < 0 || d.conditional_layer >= d.depth())
    return input_error("The decoder has " + std::to_string(d.depth()) +
                           " layers, and the prompt would enter behind them.",
                       where + ": conditional_layer", "It counts them from 0.");
  LUTHIER_TRY(d.complex_head,
              json_bool(config, "use_complex_transposed_convolution", where, false));
  if (d.complex_head && (d.patch_size < 4 || d.layer.hidden < 2))
    return input_error("Patches of " + std::to_string(d.patch_size) +
                           " pixels and a reduce_dim of " + std::to_string(d.layer.hidden) +
                           " are too little for two transposed convolutions.",
                       where + ": use_complex_transposed_convolution",
                       "They take patches of 4 pixels and a reduce_dim of 2 at least.");
  return {};
}

Result<Plan> read_clipseg(const Json& config, const std::filesystem::path& folder) {
  const std::string where = (folder / "config.json").string();
  ClipSegOptions options;
  LUTHIER_TRY(Json vision, clip_section(config, "vision_config", where));
  LUTHIER_TRY(const Json text, clip_section(config, "text_config", where));
  LUTHIER_TRY(const std::string type,
              json_string(vision, "model_type", where + ": vision_config", "clipseg_vision_model"));
  if (type != "clipseg_vision_model")
    return input_error("The vision tower \"" + type + "\" is not CLIPSeg's.",
                       where + ": vision_config: model_type", "It is clipseg_vision_model.");
  vision["model_type"] = "clip_vision_model";  // whose modules it has
  LUTHIER_TRY(options.vision, read_vision_tower_options(vision, where + ": vision_config"));
  if (options.vision.image_height != options.vision.image_width)
    return input_error("The picture must be square.", where + ": vision_config: image_size");
  options.vision.stretches = true;
  LUTHIER_TRY(options.text, read_clip_text_options(text, where + ": text_config"));
  LUTHIER_CHECK(read_segment_decoder(config, where, options));
  LUTHIER_TRY(options.logit_scale_init_value,
              json_number(config, "logit_scale_init_value", where, options.logit_scale_init_value));
  Plan plan;
  plan.build = [options](const torch::TensorOptions& tensors, HeadWeight) {
    return std::make_shared<ClipSeg>(options, tensors);
  };
  plan.initializer_range = options.text.sizes.initializer_range;
  plan.longest_row = options.text.max_position_embeddings;
  plan.pictures = square_frames_beside("ViTImageProcessor", options.vision.patch_size,
                                       options.decoder.square());
  return plan;
}

}  // namespace

extern const Family clipseg_family;
const Family clipseg_family{"clipseg", /*takes_pictures=*/true, read_clipseg, same_name, same_name};

}  // namespace luthier
