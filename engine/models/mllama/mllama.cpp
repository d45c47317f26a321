// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/mllama/mllama.h"

#include <array>
#include <string_view>

#include "engine/models/mllama/given_tiles.h"
#include "engine/models/mllama/picture_sight.h"
#include "engine/models/processor_files.h"
#include "engine/models/tower_model.h"
#include "engine/nn/module_cost.h"
#include "engine/vision/processor_settings.h"

namespace luthier {

using torch::Tensor;

namespace {

constexpr const char *kSightOrder = "sight_order", *kSightTokens = "sight_tokens",
                     *kSightOpened = "sight_opened";

class MllamaBody : public torch::nn::Module {
 public:
  MllamaBody(const MllamaOptions& o, const torch::TensorOptions& t) {
    vision_model = register_module("vision_model", std::make_shared<MllamaTower>(o.vision, t));
    language_model = register_module("language_model", Decoder(o.text, t));
    multi_modal_projector = register_module(
        "multi_modal_projector", Linear(o.vision.width(), o.text.hidden_size, /*bias=*/true, t));
  }
  std::shared_ptr<MllamaTower> vision_model;
  Decoder language_model{nullptr};
  Linear multi_modal_projector{nullptr};
};

class Mllama : public TowerModel {
 public:
  Mllama(const MllamaOptions& o, const torch::TensorOptions& t)
      : options_(o), body_(std::make_shared<MllamaBody>(o, t)) {
    declare_part(kVisionTower, "model.vision_model.");
    declare_part(kProjector, "model.multi_modal_projector.");
    assemble(body_, body_->language_model, /*tied=*/false, o.image_token_id, t);
  }

  Tensor tower(const ModelInput& input) override { return body_->vision_model->forward(input); }

  TokenSequence embed(const ModelInput& input) override {
    TokenSequence sequence;
    sequence.rows = row_layout(input);
    sequence.embeddings = decoder()->embed(input.input_ids);
    if (input.pictures.empty()) return sequence;
    if (sequence.rows.stands()) throw StandingRowsAsked("which of its pictures each token sees");
    const Tensor states =
        project(input.tower_features.defined() ? input.tower_features : tower(input), input);
    sequence.sight = sight(input, states);
    return sequence;
  }

  void prepare(ModelInput& input) const override {
    DecoderModel::prepare(input);
    if (input.pictures.empty()) return;
    input.picture_marks = marks(input);
    const Sighted made = sighted(shown(input));
    if (made.order.defined()) input.aside[kSightOrder] = made.order;
    if (made.tokens.defined()) input.aside[kSightTokens] = made.tokens;
    if (made.opened.defined()) input.aside[kSightOpened] = made.opened;
    if (input.pixel_values.defined()) body_->vision_model->prepare(input);
  }

  ModelGeometry geometry() const override {
    const MllamaVisionOptions& v = options_.vision;
    ModelGeometry g = describe(v);
    g.vision_layers += v.global_layers;
    g.vision_tokens = v.tile_tokens();
    g.image_tokens = 1;  // the mark; layers look across to the tiles
    g.tile_tokens = TileTokens::OfThePicture;
    g.image_height = v.image_height, g.image_width = v.image_width;
    return g;
  }

  std::int64_t feature_numbers(const PictureLoad& pictures) const override {
    return states_of(pictures) * options_.vision.width();
  }

 protected:
  Tensor project(const Tensor& features, const ModelInput&) override {
    return body_->multi_modal_projector->forward(features);
  }
  TowerCost tower_cost(const Pass& pass) const override { return body_->vision_model->cost(pass); }
  ProjectorCost projector_cost(const Pass& pass) const override {
    const StepTerms& terms = pass.terms;
    const std::int64_t states = states_of(pass.pictures);
    const TrainedShare share = terms.of(*body_->multi_modal_projector);
    ProjectorCost cost;
    cost.trains = share.trains;
    // And where each stands in the order that the layers see.
    cost.kept = projector_kept(terms, states, options_.vision.width(), 0, share, {}) +
                terms.block(states, 8);
    cost.work = 2 * terms.block(states * options_.text.hidden_size);
    if (tower_cost(pass).flows) cost.work += terms.block(states * options_.vision.width());
    return cost;
  }
  DecoderEntry add_entry_cost(const Pass& pass, PassCost& cost) const override {
    if (pass.pictures.images == 0) return DecoderModel::add_entry_cost(pass, cost);
    DecoderEntry entry = TowerModel::add_entry_cost(pass, cost);
    entry.across = states_of(pass.pictures);
    entry.across_flows = entry.flows;
    entry.flows = false;  // what enters the first layer is text
    return entry;
  }

 private:
  std::int64_t states_of(const PictureLoad& pictures) const {
    return pictures.images * options_.vision.tiles * options_.vision.tile_tokens();
  }

  std::vector<std::int64_t> marks(const ModelInput& input) const {
    if (!input.picture_marks.empty()) return input.picture_marks;
    const Tensor found = (input.input_ids == options_.image_token_id)
                             .nonzero()
                             .squeeze(1)
                             .to(torch::kCPU)
                             .contiguous();
    const auto* numbers = found.const_data_ptr<std::int64_t>();
    return {numbers, numbers + found.numel()};
  }

  ShownPictures shown(const ModelInput& input) const {
    ShownPictures pictures;
    pictures.lengths = input.lengths;
    pictures.marks = marks(input);
    pictures.tiles = options_.vision.tiles;
    pictures.states = options_.vision.tile_tokens();
    for (const PictureFacts& picture : input.pictures) {
      TORCH_CHECK(picture.grid.size() == 3,
                  "a picture's grid has the rows and columns of its tiles");
      pictures.shown.push_back(picture.grid[0] * picture.grid[1]);
    }
    return pictures;
  }

  std::shared_ptr<const PictureSight> sight(const ModelInput& input, const Tensor& states) const {
    const Sighted made = sighted(shown(input));
    const auto here = [&](const char* name, const Tensor& own) {
      const auto aside = input.aside.find(name);
      if (!own.defined() || aside != input.aside.end()) return own.defined() ? aside->second : own;
      return own.to(states.device());
    };
    const auto result = std::make_shared<PictureSight>();
    const Tensor order = here(kSightOrder, made.order);
    result->states = order.defined() ? reorder(states, order, {}) : states;
    result->runs = made.runs, result->last_runs = made.last_runs;
    result->tokens = here(kSightTokens, made.tokens);
    result->opened = here(kSightOpened, made.opened);
    return result;
  }

  const MllamaOptions options_;
  std::shared_ptr<MllamaBody> body_;
};

ProcessorDefaults mllama_processor() { return {"MllamaImageProcessor"}; }

/// A picture is its mark and nothing more.
Result<ImageTokens> mllama_image_tokens(const MllamaOptions& options,
                                        const std::filesystem::path& folder) {
  LUTHIER_TRY(const PixelValues outline, frame_outline(folder, mllama_processor(), 3));
  if (outline.shape[0] != options.vision.tiles) {
    LUTHIER_TRY(const auto settings, detail::read_picture_settings(folder, mllama_processor()));
    return input_error(
        "The picture processor makes up to " + std::to_string(outline.shape[0]) +
            " tiles, the vision tower takes " + std::to_string(options.vision.tiles) + ".",
        settings.where + ": max_image_tiles", "Processor and weights do not belong together.");
  }
  ImageTokens tokens;
  LUTHIER_TRY(tokens.mark, tokenizer_attribute(folder, "image_token", "<|image|>"));
  tokens.writes_bos = true;
  return tokens;
}

struct MllamaRenaming {
  std::string_view from, to;
};

std::string mllama_renamed(const std::string& name, const auto& table) {
  for (const MllamaRenaming& row : table)
    if (name.starts_with(row.from)) return std::string(row.to) + name.substr(row.from.size());
  return name;
}

std::string mllama_memory_name(const std::string& stored) {
  static constexpr std::array<MllamaRenaming, 5> kTable{{
      {"language_model.lm_head.", "lm_head."},
      {"language_model.model.", "model.language_model."},
      {"language_model.", "model.language_model."},
      {"vision_model.", "model.vision_model."},
      {"multi_modal_projector.", "model.multi_modal_projector."},
  }};
  return mllama_renamed(stored, kTable);
}

std::string mllama_stored_name(const std::string& memory) {
  static constexpr std::array<MllamaRenaming, 4> kTable{{
      {"lm_head.", "language_model.lm_head."},
      {"model.language_model.", "language_model.model."},
      {"model.vision_model.", "vision_model."},
      {"model.multi_modal_projector.", "multi_modal_projector."},
  }};
  return mllama_renamed(memory, kTable);
}

/// [1, pictures, tiles, 3, height, width], as the processor lays out a row.
Tensor mllama_layout(const ModelInput& input) {
  const auto pictures = static_cast<std::int64_t>(input.pictures.size());
  return input.pixel_values.unflatten(0, {1, pictures, -1});
}

Status mllama_given(const GivenArguments& given, const Json& config, ModelInput& input) {
  LUTHIER_TRY(const MllamaOptions options, read_mllama_options(config, given.where()));
  return put_given_tiles(given, options, input);
}

Result<Plan> read_mllama(const Json& config, const std::filesystem::path& folder) {
  LUTHIER_TRY(const MllamaOptions options,
              read_mllama_options(config, (folder / "config.json").string()));
  Plan plan;
  plan.build = [options](const torch::TensorOptions& tensors, HeadWeight) {
    return std::shared_ptr<Model>(std::make_shared<Mllama>(options, tensors));
  };
  plan.pictures =
      PicturePlan{options.image_token_id, mllama_processor(),
                  [options](const auto& files) { return mllama_image_tokens(options, files); }};
  plan.initializer_range = options.text.initializer_range;
  return plan;
}

}  // namespace

Result<MllamaOptions> read_mllama_options(const Json& config, const std::string& where) {
  MllamaOptions o;
  LUTHIER_TRY(const Json vision, config_section(config, "vision_config", where));
  LUTHIER_TRY(const Json text, config_section(config, "text_config", where));
  LUTHIER_TRY(o.vision, read_mllama_vision(vision, where + ": vision_config"));
  LUTHIER_TRY(o.text, read_decoder_options(text, where + ": text_config", "mllama_text_model"));
  if (o.text.across.empty())
    return input_error("The decoder \"" + o.text.model_type + "\" is not this family's.",
                       where + ": text_config: model_type", "It is mllama_text_model.");
  LUTHIER_TRY(o.image_token_id,
              read_image_token(config, {"image_token_index", "image_token_id"}, 128256,
                               o.text.vocab_size + o.text.more_embeddings, where));
  return o;
}

const Family mllama_family{.model_type = "mllama",
                           .takes_pictures = true,
                           .read = read_mllama,
                           .memory_name = mllama_memory_name,
                           .stored_name = mllama_stored_name,
                           .processor_layout = mllama_layout,
                           .by_tensors = {mllama_given}};

}  // namespace luthier
