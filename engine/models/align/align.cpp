// SPDX-License-Identifier: GPL-3.0-or-later
// ALIGN (Jia et al. 2021) as AlignModel of transformers 5.17: EfficientNet without its last
// convolution, whose mean map is a picture's vector, and BERT, of which the first token's last
// state goes through a product; what it has of a pooler is held and read by nothing. Likenesses are
// divided by a learned temperature, and labels are smoothed. Dropout is not drawn in training.
#include "engine/models/bert/text_encoder.h"
#include "engine/models/efficientnet/efficientnet_body.h"
#include "engine/models/tower_model.h"
#include "engine/models/two_towers/pair_loss.h"
#include "engine/models/two_towers/two_tower_parts.h"
#include "engine/nn/checkpointing.h"
#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

constexpr const char* kFirstTokens = "first_tokens";  ///< what prepare() sets aside

struct AlignOptions {
  EfficientnetOptions vision;
  TextEncoderOptions text;
  std::int64_t projection_dim = 640;
  double temperature_init_value = 1.0, initializer_range = 0.02;
  bool tie_word_embeddings = false;  ///< there is no head to tie
};

class AlignPart : public torch::nn::Module {};

class Align : public Model,
              public TwoTowers,
              public SmoothedPairs,
              public PictureTower,
              public StepCosts {
 public:
  Align(const AlignOptions& o, const torch::TensorOptions& t) : options_(o) {
    declare_part(kVisionTower, "vision_model.");
    declare_part(kProjector, "text_projection.");
    declare_part(kProjector, "temperature");
    add_parameter("temperature", temperature_, {}, t);
    const auto text = register_module("text_model", std::make_shared<AlignPart>());
    embeddings_ =
        text->register_module("embeddings", std::make_shared<TextEmbeddings>(o.text.tables, t));
    torch::nn::ModuleList list;
    for (std::int64_t i = 0; i < o.text.num_hidden_layers; ++i) {
      layers_.push_back(std::make_shared<TextLayer>(o.text.layer, kBertLayer, t));
      list->push_back(layers_.back());
    }
    text->register_module("encoder", std::make_shared<AlignPart>())->register_module("layer", list);
    pooler_ =
        text->register_module("pooler", std::make_shared<AlignPart>())
            ->register_module("dense", Linear(o.text.layer.hidden, o.text.layer.hidden, true, t));
    vision_model_ =
        register_module("vision_model", std::make_shared<EfficientnetBody>(o.vision, t));
    projection_ =
        register_module("text_projection", Linear(o.text.layer.hidden, o.projection_dim, true, t));
  }

  TwoTowers* two_towers() override { return this; }
  PictureTower* picture_tower() override { return this; }
  const StepCosts* step_costs() const override { return this; }
  double label_smoothing() const override { return 0.1; }

  Tensor tower(const ModelInput& input) override {
    TORCH_CHECK(input.pixel_values.size(0) == static_cast<std::int64_t>(input.pictures.size()),
                "a picture is one frame");
    return vision_model_->vectors(input.pixel_values);
  }
  Tensor image(const ModelInput& input) override {
    return unit_vectors(input.tower_features.defined() ? input.tower_features : tower(input));
  }
  Tensor text(const ModelInput& input, std::int64_t rows) override {
    const RowLayout layout = row_layout(input);
    Tensor x = embeddings_->forward(input.input_ids, input.token_types, layout);
    for (const auto& layer : layers_) {
      const auto run = [&layer, layout](const Tensor& in) { return layer->forward(in, {layout}); };
      x = gradient_checkpointing_ ? checkpointed(run, x) : run(x);
    }
    const auto made = input.aside.find(kFirstTokens);
    const Tensor places =
        made == input.aside.end() ? firsts(input, rows).to(x.device()) : made->second;
    return unit_vectors(projection_(x.index_select(0, places)));
  }
  Tensor scale() override { return temperature_.reciprocal(); }
  void start_own_tensors() override { temperature_.fill_(options_.temperature_init_value); }
  void prepare(ModelInput& input) const override {
    check_token_types(input, options_.text.tables.types);
    Model::prepare(input);
    if (!input.pictures.empty())
      input.aside[kFirstTokens] = firsts(input, static_cast<std::int64_t>(input.pictures.size()));
  }

  /// In the order of text_likeness: the pictures' way, then the texts'.
  PassCost cost(const Pass& pass) const override {
    const StepTerms& terms = pass.terms;
    const std::int64_t pictures = pass.pictures.frames;
    const TowerCost tower = vision_model_->cost(pass);
    PassCost cost;
    cost.stages = {two_tower_inputs(pass, tower.trains)};
    add_body_cost(tower, pass, terms.block(feature_numbers(pass.pictures)), cost);
    cost.stages.push_back(embeddings_->cost(terms, pass.tokens));
    bool flows = trained_within(terms, *embeddings_).trains;
    const RowsShape rows = rows_shape(pass.lengths, /*causal=*/false);
    const std::int64_t state = terms.block(pass.tokens * options_.text.layer.hidden);
    for (const auto& layer : layers_) {
      const LayerCost of_layer = layer->cost(terms, rows, pass.tokens, flows);
      flows = flows || of_layer.share.trains;
      cost.stages.push_back(layer_stage(terms, of_layer, state, state));
    }
    cost.unreached += terms.of(*pooler_).parameters;
    cost.stages.push_back(end_product_cost(terms, projection_, pictures));
    if (flows) cost.stages.back().moments.front().work += state;
    cost.head.width = options_.projection_dim;
    return cost;
  }
  std::int64_t feature_numbers(const PictureLoad& pictures) const override {
    return pictures.frames * vision_model_->width();
  }

  ModelGeometry geometry() const override {
    ModelGeometry g;
    g.vocab_size = options_.text.tables.words, g.hidden_size = options_.text.layer.hidden;
    g.num_hidden_layers = options_.text.num_hidden_layers;
    g.num_attention_heads = g.num_key_value_heads = options_.text.layer.heads;
    g.head_dim = options_.text.layer.hidden / options_.text.layer.heads;
    const ModelGeometry pictures = vision_model_->geometry();
    g.vision_hidden_size = pictures.vision_hidden_size, g.vision_layers = pictures.vision_layers;
    return g;
  }

 private:
  /// Where each text begins: [rows] int64, on the host.
  static Tensor firsts(const ModelInput& input, std::int64_t rows) {
    std::vector<std::int64_t> places;
    std::int64_t start = 0;
    for (std::int64_t row = 0; row < rows; ++row) {
      places.push_back(start);
      start += input.lengths[static_cast<std::size_t>(row)];
    }
    return torch::tensor(places, torch::kInt64);
  }

  AlignOptions options_;
  Tensor temperature_;
  std::shared_ptr<TextEmbeddings> embeddings_;
  std::vector<std::shared_ptr<TextLayer>> layers_;
  std::shared_ptr<EfficientnetBody> vision_model_;
  Linear pooler_{nullptr}, projection_{nullptr};
};

Result<Plan> read_align(const Json& config, const std::filesystem::path& folder) {
  const std::string where = (folder / "config.json").string();
  AlignOptions options;
  LUTHIER_TRY(const Json vision, config_section(config, "vision_config", where));
  LUTHIER_TRY(const Json text, config_section(config, "text_config", where));
  options.vision.top = false;
  LUTHIER_CHECK(read_efficientnet_options(vision, where + ": vision_config", options.vision));
  TextTables& tables = options.text.tables;
  tables.words = 30522, tables.positions = 512, tables.types = 2, tables.padding = 0;
  LUTHIER_CHECK(read_text_encoder(text, where + ": text_config", options.text));
  tables.width = options.text.layer.hidden;
  LUTHIER_TRY(options.projection_dim, json_int(config, "projection_dim", where, 640));
  const std::int64_t wide = options.vision.filters(options.vision.out_channels.back());
  if (options.projection_dim != wide)
    return input_error("The texts' vectors have " + std::to_string(options.projection_dim) +
                           " numbers, the pictures' " + std::to_string(wide) + ".",
                       where + ": projection_dim", "The two must be as wide as one another.");
  LUTHIER_TRY(options.temperature_init_value,
              json_number(config, "temperature_init_value", where, 1.0));
  LUTHIER_TRY(options.initializer_range, json_number(config, "initializer_range", where, 0.02));
  Plan plan;
  plan.build = builder<Align>(options);
  plan.initializer_range = options.initializer_range;
  plan.longest_row = tables.positions;
  plan.pictures = pictures_beside("EfficientNetImageProcessor", options.vision.smallest_frame());
  return plan;
}

}  // namespace

extern const Family align_family;
const Family align_family{"align", /*takes_pictures=*/true, read_align, text_encoder_memory_name,
                          same_name};

}  // namespace luthier
