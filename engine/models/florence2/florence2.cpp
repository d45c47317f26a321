// SPDX-License-Identifier: GPL-3.0-or-later
// Florence-2 (Xiao et al. 2024; Florence2ForConditionalGeneration of transformers 5.17): DaViT's
// places and a sentence are what BART's encoder reads, the answer is what its decoder writes.
#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/models/bart/bart_stack.h"
#include "engine/models/family.h"
#include "engine/models/florence2/davit_tower.h"
#include "engine/models/florence2/projector.h"
#include "engine/models/florence2/task_words.h"
#include "engine/models/processor_files.h"
#include "engine/models/tower_model.h"
#include "engine/vision/processor_settings.h"

namespace luthier {

namespace florence2 {

using torch::Tensor;

/// What prepare() sets aside.
constexpr const char *kAcross = "across", *kImagePlaces = "image_places";

struct Options {
  DavitOptions vision;
  bart::Options text;
  TokenId image_token_id = 51289;
  bool tie_word_embeddings = true;  ///< the head is the table of words
};

class Florence2 : public Model, public SequenceToSequence, public PictureTower, public StepCosts {
 public:
  Florence2(const Options& o, const torch::TensorOptions& t) : options_(o) {
    const auto body = register_module("model", std::make_shared<torch::nn::Module>());
    tower_ = body->register_module("vision_tower", std::make_shared<DavitTower>(o.vision, t));
    projector_ =
        body->register_module("multi_modal_projector", std::make_shared<Projector>(o.vision, t));
    text_ = body->register_module("language_model", std::make_shared<bart::Body>(o.text, t));
    lm_head_ = register_module(
        "lm_head", o.tie_word_embeddings ? Linear(text_->shared->weight)
                                         : Linear(o.text.d_model, o.text.vocab_size, false, t));
    declare_part(kVisionTower, "model.vision_tower.");
    declare_part(kProjector, "model.multi_modal_projector.");
  }

  SequenceToSequence* sequence_to_sequence() override { return this; }
  PictureTower* picture_tower() override { return this; }
  const StepCosts* step_costs() const override { return this; }

  void prepare(ModelInput& input) const override {
    Model::prepare(input);
    set_across_aside(RowLayout(input.lengths), RowLayout(input.source_lengths), input.aside,
                     kAcross);
    if (!input.pictures.empty() && input.source_ids.defined())
      input.aside[kImagePlaces] = image_places(input);
  }

  /// By rows of places, so that what is kept of a picture knows its sides.
  Tensor tower(const ModelInput& input) override {
    return tower_->forward(input.pixel_values).flatten(0, 1);
  }

  RowStates encode(const ModelInput& input) override {
    Tensor x = text_->words(input.source_ids);
    if (!input.pictures.empty()) {
      const Tensor features = input.tower_features.defined() ? input.tower_features : tower(input);
      const auto pictures = static_cast<std::int64_t>(input.pictures.size());
      x = place_features(x, image_places(input),
                         projector_->forward(features.unflatten(0, {pictures, -1})));
    }
    return text_->encode(x, source_layout(input), gradient_checkpointing_);
  }

  Tensor decode(const ModelInput& input, const RowStates& memory, KeyValueCache* cache) override {
    const RowLayout rows = row_layout(input);
    take_across_back(rows, memory.rows, input.aside, kAcross);
    return text_->decode(input.input_ids, rows, memory, cache, gradient_checkpointing_);
  }

  Linear head() override { return lm_head_; }
  TokenId start_token() const override { return options_.text.start; }
  std::int64_t decoder_layers() const override { return options_.text.decoder.layers; }

  std::int64_t feature_numbers(const PictureLoad& pictures) const override {
    return places(pictures) * options_.vision.width();
  }

  PassCost cost(const Pass& pass) const override {
    const StepTerms& terms = pass.terms;
    std::int64_t source = 0;
    for (const std::int64_t length : pass.source_lengths) source += length;
    const std::int64_t frames = pass.pictures.frames,
                       pixels = frames > 0 ? pass.pictures.numbers / (3 * frames) : 0;
    const auto [height, width] = sides(pixels, frames > 0 ? places(pass.pictures) / frames : 0);
    const TowerCost tower = tower_->cost(terms, frames, height, width);
    PassCost cost;
    Stage inputs;
    inputs.kept = 2 * terms.block(pass.tokens, 8) + terms.block(source, 8);
    if (tower.trains) inputs.kept += terms.floats(pass.pictures.numbers);
    inputs.moments = {{inputs.kept, 0}};
    cost.stages = {inputs};
    tower.add_to(cost, terms.block(feature_numbers(pass.pictures)));
    const ProjectorCost projector = projector_->cost(terms, frames, places(pass.pictures));
    const bool flows = tower.flows || projector.trains;
    if (flows)
      cost.stages.push_back(
          {projector.kept, {{projector.kept, projector.work}}, projector.gradients});
    text_->add_cost(pass, flows, cost);
    cost.head = text_->head_cost(terms, lm_head_);
    return cost;
  }

  ModelGeometry geometry() const override {
    ModelGeometry g;
    g.vocab_size = options_.text.vocab_size, g.hidden_size = options_.text.d_model;
    g.num_hidden_layers = options_.text.encoder.layers + options_.text.decoder.layers;
    g.num_attention_heads = g.num_key_value_heads = options_.text.decoder.heads;
    g.head_dim = options_.text.d_model / options_.text.decoder.heads;
    g.tied_embeddings = options_.tie_word_embeddings;
    g.vision_hidden_size = options_.vision.width();
    for (const StageSizes& stage : options_.vision.stages) g.vision_layers += stage.depth;
    g.vision_heads = options_.vision.stages.back().heads;
    return g;
  }

 private:
  Tensor image_places(const ModelInput& input) const {
    const auto made = input.aside.find(kImagePlaces);
    return made != input.aside.end()
               ? made->second
               : (input.source_ids == options_.image_token_id).nonzero().squeeze(1);
  }
  /// Of all pictures; before each one's stands their mean.
  static std::int64_t places(const PictureLoad& pictures) {
    return std::max<std::int64_t>(0, pictures.tokens - pictures.frames);
  }
  /// Height and width of frames of so many pixels that come to so many places, of which the one
  /// nearest to a square is taken; a square's, where no shape does.
  std::pair<std::int64_t, std::int64_t> sides(std::int64_t pixels, std::int64_t wanted) const {
    const auto side = static_cast<std::int64_t>(std::sqrt(static_cast<double>(pixels)));
    std::pair<std::int64_t, std::int64_t> found{side, side};
    for (std::int64_t height = 1; height * height <= pixels; ++height) {
      if (pixels % height != 0) continue;
      const std::int64_t width = pixels / height;
      if (options_.vision.side_of(height) * options_.vision.side_of(width) == wanted)
        found = {height, width};
    }
    return found;
  }

  Options options_;
  std::shared_ptr<DavitTower> tower_;
  std::shared_ptr<Projector> projector_;
  std::shared_ptr<bart::Body> text_;
  Linear lm_head_{nullptr};
};

Result<Options> read_options(const Json& config, const std::string& where) {
  Options o;
  LUTHIER_TRY(const Json vision, config_section(config, "vision_config", where));
  LUTHIER_TRY(const Json text, config_section(config, "text_config", where));
  LUTHIER_TRY(o.vision, read_davit_options(vision, where + ": vision_config"));
  LUTHIER_TRY(const std::string type,
              json_string(text, "model_type", where + ": text_config", "bart"));
  if (type != "bart") {
    return input_error("The decoder \"" + type + "\" is not this family's.",
                       where + ": text_config: model_type", "It is bart.");
  }
  LUTHIER_TRY(o.text, bart::read_options(text, where + ": text_config"));
  if (o.vision.projection_dim != o.text.d_model) {
    return input_error("The projector makes " + std::to_string(o.vision.projection_dim) +
                           " features, the decoder takes " + std::to_string(o.text.d_model) + ".",
                       where + ": vision_config: projection_dim",
                       "It must be text_config's d_model.");
  }
  LUTHIER_TRY(o.image_token_id,
              read_image_token(config, {"image_token_id"}, 51289, o.text.vocab_size, where));
  LUTHIER_TRY(o.tie_word_embeddings, json_bool(config, "tie_word_embeddings", where, true));
  return o;
}

ProcessorDefaults picture_processor() { return {"CLIPImageProcessor"}; }

/// Each picture as one number of tokens, whatever its size: the processor makes all of them alike.
Result<ImageTokens> image_tokens(const Options& options, const std::filesystem::path& folder) {
  LUTHIER_TRY(const PixelValues outline, frame_outline(folder, picture_processor(), 0));
  LUTHIER_TRY(const auto processor, ImageProcessor::load(folder, picture_processor()));
  LUTHIER_TRY(const PixelValues other, outline_of(*processor, 96, 64, folder.string()));
  LUTHIER_TRY(const detail::PictureSettings pictures,
              detail::read_picture_settings(folder, picture_processor()));
  if (other.shape != outline.shape) {
    return input_error("Pictures would come out in sizes of their own, and this model's have one.",
                       pictures.where + ": size", "Give it a height and a width.");
  }
  const DavitOptions& vision = options.vision;
  const std::int64_t rows = vision.side_of(outline.shape[2]),
                     columns = vision.side_of(outline.shape[3]);
  if (rows < 1 || columns < 1 || rows > vision.places || columns > vision.places) {
    return input_error(
        "A picture comes to " + std::to_string(rows) + " rows and " + std::to_string(columns) +
            " columns, and the model knows 1 to " + std::to_string(vision.places) + " of either.",
        pictures.where + ": size", "Processor and config.json do not belong together.");
  }
  const std::int64_t features = 1 + rows * columns;
  LUTHIER_TRY(const std::int64_t count,
              json_int(pictures.config, "image_seq_length", pictures.where, features));
  if (count != features) {
    return input_error("A picture is written as " + std::to_string(count) +
                           " tokens and comes to " + std::to_string(features) + " features.",
                       pictures.where + ": image_seq_length",
                       "Processor and config.json do not belong together.");
  }
  ImageTokens tokens;
  tokens.form = RowForm::SourceAnswer;
  tokens.ask = sentence_of;
  tokens.answer_start = options.text.start;
  LUTHIER_TRY(tokens.mark, tokenizer_attribute(folder, "image_token", "<image>"));
  const std::string picture = repeated(tokens.mark, count);
  tokens.expand = [picture](const PixelValues&) { return picture; };
  return tokens;
}

Result<Plan> read(const Json& config, const std::filesystem::path& folder) {
  LUTHIER_TRY(const Options options, read_options(config, (folder / "config.json").string()));
  Plan plan;
  plan.build = builder<Florence2>(options);
  plan.pictures =
      PicturePlan{options.image_token_id, picture_processor(),
                  [options](const auto& files) { return image_tokens(options, files); }};
  plan.initializer_range = options.text.init_std;
  plan.initializer_ranges = [options](const std::string& name) {
    constexpr double kElsewhere = 0.02;  // transformers', where a configuration has none
    if (name.starts_with("model.language_model.")) return options.text.init_std;
    return name.starts_with("model.vision_tower.") ? options.vision.initializer_range : kElsewhere;
  };
  plan.longest_row = options.text.max_position_embeddings;
  return plan;
}

}  // namespace florence2

extern const Family florence2_family;
const Family florence2_family{.model_type = "florence2",
                              .takes_pictures = true,
                              .read = florence2::read,
                              .memory_name = same_name,
                              .stored_name = same_name};

}  // namespace luthier
