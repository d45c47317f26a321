// SPDX-License-Identifier: GPL-3.0-or-later
// EVE (Diao et al. 2024; transformers has no class of it): no tower; a picture's patches go through
// one shallow layer and a projector of two products into Llama, which learns to see by itself. The
// configuration is the authors', one flat object with Llama's own fields; names are those of their
// EVELlamaForCausalLM, so that LlamaForCausalLM loads its half of a folder. Their placeholder of a
// picture (−200) is no word of the tokenizer; here it is `<image>`, whose id may lie behind the
// table of words.
//
// With an alignment_config there are the layers, too, that a loss holds against a tower's patches
// (objectives/visual_alignment): the processor then puts that tower's picture behind each one's own
// patches.
#include <array>
#include <cmath>

#include "engine/models/eve/eve_options.h"
#include "engine/models/patch_alignment.h"
#include "engine/models/tower_model.h"
#include "engine/nn/module_cost.h"

namespace luthier {

namespace eve {

using torch::Tensor;

/// What prepare() sets aside.
constexpr const char* kAlignedPlaces = "aligned_places";

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

class Eve : public TowerModel, public PatchAlignment {
 public:
  Eve(const Options& o, const torch::TensorOptions& t) : options_(o) {
    declare_part(kVisionTower, "model.vision_tower.");
    declare_part(kVisionTower, "model.vision_tower_compressor.");
    declare_part(kProjector, "model.mm_projector.");
    Decoder text(o.text, t);
    tokenizer_ =
        text->register_module("vision_tower", std::make_shared<VisionTokenizer>(o.vision, t));
    projector_ = text->register_module(
        "mm_projector", std::make_shared<TwoLayers>(o.vision.width, o.text.hidden_size, t));
    if (o.aligner)
      aligner_ =
          text->register_module("vision_tower_compressor",
                                std::make_shared<PatchAligner>(*o.aligner, o.text.num_hidden_layers,
                                                               o.text.hidden_size, t));
    register_module("model", text);
    hold(text, register_module("lm_head", head_of(text, o.tie_word_embeddings, t)),
         o.image_token_id);
  }

  Tensor tower(const ModelInput& input) override {
    return tokenizer_->forward(own_patches(input), input.pictures);
  }
  void prepare(ModelInput& input) const override {
    TowerModel::prepare(input);
    if (aligner_ && !input.pictures.empty())
      input.aside[kAlignedPlaces] = places_of_squares(input, image_places(input));
  }

  bool aligns() const override { return aligner_ != nullptr; }
  Tensor aligned_places(const ModelInput& input) const override {
    const auto made = input.aside.find(kAlignedPlaces);
    return made != input.aside.end() ? made->second : places_of_squares(input, image_places(input));
  }
  std::vector<std::int64_t> aligned_layers() const override { return aligner_->layers(); }
  Tensor align(const std::vector<Tensor>& states, const ModelInput& input) override {
    return aligner_->forward(states, all_squares(input), options_.teacher_side());
  }
  Tensor teacher_pixels(const ModelInput& input) const override;
  Tensor teacher_patches(const ModelInput& input,
                         std::vector<std::int64_t>& of_each) const override;
  Status check_teacher(const LoadedModel& model, const LoadedModel& teacher) const override;
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
  /// A loss that looks at the pictures is the one of alignment, which asks for all states.
  PassCost cost(const Pass& pass) const override {
    if (!aligner_) return TowerModel::cost(pass);
    Pass all = pass;
    if (pass.pictures_together) all.asked = 0;
    PassCost cost = TowerModel::cost(all);
    if (pass.pictures_together)
      cost.stages.push_back(
          aligner_->cost(pass.terms, patches_of(pass) / options_.vision.square()));
    else
      cost.unreached += trained_within(pass.terms, *aligner_).parameters;
    return cost;
  }

 protected:
  Tensor project(const Tensor& features, const ModelInput&) override {
    return projector_->forward(features);
  }
  TowerCost tower_cost(const Pass& pass) const override {
    return tokenizer_->cost(pass, patches_of(pass), aligns());
  }
  ProjectorCost projector_cost(const Pass& pass) const override {
    return projector_->cost(pass.terms, pass.pictures.tokens);
  }

 private:
  Squares squares(const PictureFacts& picture) const {
    return squares_of(picture.grid, options_.vision.conv_stride);
  }
  std::vector<Squares> all_squares(const ModelInput& input) const {
    std::vector<Squares> all;
    for (const PictureFacts& picture : input.pictures) all.push_back(squares(picture));
    return all;
  }
  /// Without the teacher's.
  std::int64_t patches_of(const Pass& pass) const {
    const std::int64_t side = options_.teacher_side();
    return pass.pictures.patches - pass.pictures.images * side * side;
  }
  /// Each picture's own rows of pixel_values, or the teacher's behind them.
  Tensor rows_of(const ModelInput& input, bool teacher) const {
    std::vector<Tensor> rows;
    std::int64_t begin = 0;
    for (const PictureFacts& picture : input.pictures) {
      const std::int64_t own = squares(picture).count() * options_.vision.square(),
                         end = begin + picture.rows;
      rows.push_back(teacher ? input.pixel_values.slice(0, begin + own, end)
                             : input.pixel_values.slice(0, begin, begin + own));
      begin = end;
    }
    return at::cat(rows);
  }
  Tensor own_patches(const ModelInput& input) const {
    return aligner_ ? rows_of(input, /*teacher=*/false) : input.pixel_values;
  }
  /// Of the places of pictures' tokens those that are squares.
  Tensor places_of_squares(const ModelInput& input, const Tensor& places) const {
    std::vector<std::int64_t> which;
    std::int64_t begin = 0;
    for (const PictureFacts& picture : input.pictures) {
      const Squares shape = squares(picture);
      for (std::int64_t row = 0; row < shape.rows; ++row)
        for (std::int64_t column = 0; column < shape.columns; ++column)
          which.push_back(begin + 1 + row * (shape.columns + 1) + column);
      begin += shape.tokens();
    }
    return places.index_select(0, torch::tensor(which, torch::kInt64).to(places.device()));
  }

  const Options options_;
  std::shared_ptr<VisionTokenizer> tokenizer_;
  std::shared_ptr<TwoLayers> projector_;
  std::shared_ptr<PatchAligner> aligner_;  ///< null: there is none
};

Tensor Eve::teacher_pixels(const ModelInput& input) const {
  const std::int64_t side = options_.teacher_side(), patch = options_.vision.patch_stride;
  return rows_of(input, /*teacher=*/true)
      .view({-1, side, side, 3, patch, patch})
      .permute({0, 3, 1, 4, 2, 5})
      .reshape({-1, 3, side * patch, side * patch});
}

/// Its picture has the own one in its middle, a stripe before and a stripe behind it.
Tensor Eve::teacher_patches(const ModelInput& input, std::vector<std::int64_t>& of_each) const {
  const std::int64_t side = options_.teacher_side();
  std::vector<std::int64_t> which;
  of_each.clear();
  std::int64_t begin = 0;
  for (const Squares& shape : all_squares(input)) {
    const std::int64_t each = squares_of_patch(shape, side), rows = shape.rows / each,
                       columns = shape.columns / each, top = (side - rows) / 2,
                       left = (side - columns) / 2;
    for (std::int64_t row = 0; row < rows; ++row)
      for (std::int64_t column = 0; column < columns; ++column)
        which.push_back(begin + (top + row) * side + left + column);
    of_each.push_back(rows * columns);
    begin += side * side;
  }
  return torch::tensor(which, torch::kInt64).to(input.pixel_values.device());
}

/// What a processor makes of a byte of each channel.
Result<std::array<float, 3>> numbers_of_bytes(const ChatProcessor& processor) {
  constexpr int kEdge = 8;
  Image plain{kEdge, kEdge, {}};
  for (int i = 0; i < kEdge * kEdge; ++i) plain.rgb.insert(plain.rgb.end(), {60, 120, 200});
  LUTHIER_TRY(const PixelValues made, processor.image_processor()->process(plain));
  const std::size_t plane = static_cast<std::size_t>(
      made.shape.size() == 4 ? made.shape[2] * made.shape[3] : made.shape.back() / 3);
  return std::array<float, 3>{made.values[0], made.values[plane], made.values[2 * plane]};
}

Status Eve::check_teacher(const LoadedModel& model, const LoadedModel& teacher) const {
  const std::string config = (teacher.folder / "config.json").string();
  const VisionTowerImpl* tower = tower_of(*teacher.model);
  if (!tower || !teacher.processor || !teacher.processor->image_processor())
    return input_error("The teacher has no tower of CLIP's kind, or several.",
                       config + ": model_type", "Name a folder of clip or siglip.");
  const auto check = [&](const char* what, std::int64_t found, std::int64_t own,
                         const char* key) -> Status {
    if (found == own) return {};
    return input_error("The teacher's " + std::string(what) + " is " + std::to_string(found) +
                           ", and the model is aligned with one of " + std::to_string(own) + ".",
                       config, "It is " + std::string(key) + " of the model's config.json.");
  };
  const VisionTowerOptions& o = tower->options;
  LUTHIER_CHECK(
      check("width", o.hidden_size, options_.aligner->width, "alignment_config.hidden_size"));
  LUTHIER_CHECK(check("picture's height", o.image_height, options_.aligner->image_size,
                      "alignment_config.image_size"));
  LUTHIER_CHECK(check("picture's width", o.image_width, options_.aligner->image_size,
                      "alignment_config.image_size"));
  LUTHIER_CHECK(check("patch", o.patch_size, options_.vision.patch_stride, "patch_stride"));
  LUTHIER_TRY(const auto own, numbers_of_bytes(*model.processor));
  LUTHIER_TRY(const auto other, numbers_of_bytes(*teacher.processor));
  for (std::size_t channel = 0; channel < 3; ++channel)
    if (std::fabs(own[channel] - other[channel]) > 1e-4F)
      return input_error("The teacher's pictures have another mean or deviation than the model's.",
                         (teacher.folder / "preprocessor_config.json").string() + ": image_mean",
                         "image_mean and image_std must be the same in both folders.");
  return {};
}

Result<Plan> read(const Json& config, const std::filesystem::path& folder) {
  LUTHIER_TRY(const Options options, read_options(config, (folder / "config.json").string()));
  Plan plan;
  plan.build = builder<Eve>(options);
  plan.pictures =
      PicturePlan{options.image_token_id, picture_processor(options),
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
