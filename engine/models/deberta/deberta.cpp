// SPDX-License-Identifier: GPL-3.0-or-later
// DeBERTa v2 and v3 (He et al. 2021, 2023) as DebertaV2ForMaskedLM of transformers 5.17, with
// either of its heads, or with one of its heads of classes: a text encoder whose scores know
// distances by a table of their own. Two things are the authors' and none of transformers': the
// enhanced mask decoder, and the head of v3's discriminator.
#include "engine/models/bert/named_parts.h"
#include "engine/models/bert/predictions.h"
#include "engine/models/bert/text_encoder.h"
#include "engine/models/deberta/deberta_layer.h"
#include "engine/models/family.h"
#include "engine/nn/checkpointing.h"
#include "engine/nn/module_cost.h"

namespace luthier {

namespace deberta {

using torch::Tensor;

/// What prepare() sets aside.
constexpr const char* kConvolvedPlaces = "convolved";

constexpr PredictionNames kLegacyHead{"cls.predictions.transform.dense",
                                      "cls.predictions.transform.LayerNorm",
                                      "cls.predictions.decoder", "cls.predictions"},
    kAuthorsHead{"lm_predictions.lm_head.dense", "lm_predictions.lm_head.LayerNorm",
                 "lm_predictions.lm_head.decoder", "lm_predictions.lm_head"};

constexpr ClassHeadNames kClassHead{"pooler.dense", "classifier", "classifier"},
    kDiscriminatorHead{"mask_predictions.dense", "mask_predictions.classifer", nullptr,
                       "mask_predictions.LayerNorm"};  // spelled so

constexpr int kDecoderSteps = 2;  // of the enhanced mask decoder, by the last layer

class Deberta : public Model,
                public Encoder,
                public Classifier,
                public HasTextEmbeddings,
                public StepCosts {
 public:
  Deberta(const Options& o, const torch::TensorOptions& t) : options_(o) {
    const auto body = register_module("deberta", std::make_shared<EncoderPart>());
    embeddings_ =
        body->register_module("embeddings", std::make_shared<TextEmbeddings>(o.tables, t));
    for (std::int64_t i = 0; i < o.num_hidden_layers; ++i)
      layers_.push_back(
          register_at(*body, "encoder.layer." + std::to_string(i), std::make_shared<Layer>(o, t)));
    if (o.distances.on)
      table_ = register_at(*body, "encoder.rel_embeddings",
                           Embedding(2 * o.distances.span, o.layer.hidden, t));
    if (o.norms_table)
      table_norm_ = register_at(*body, "encoder.LayerNorm",
                                LayerNorm(o.layer.hidden, o.layer.layer_norm_eps, t));
    if (o.convolution.kernel > 0)
      convolution_ = register_at(*body, "encoder.conv", std::make_shared<Convolution>(o, t));
    if (o.classes) {
      const double first_added = o.replaced ? o.layer.layer_norm_eps : 0;
      class_head_ = std::make_unique<TextClassHead>(
          *this, o.replaced ? kDiscriminatorHead : kClassHead, *o.classes,
          ClassHeadSizes{o.layer.hidden, o.pooled_by, o.replaced, first_added}, t);
      return;
    }
    PredictionSizes sizes;
    sizes.hidden = o.layer.hidden, sizes.width = o.tables.width, sizes.words = o.tables.words;
    sizes.layer_norm_eps = o.layer.layer_norm_eps, sizes.activation = o.layer.activation;
    sizes.tied = o.tie_word_embeddings;
    predictions_ = std::make_unique<Predictions>(*this, o.legacy ? kLegacyHead : kAuthorsHead,
                                                 sizes, embeddings_->words, t);
  }

  Encoder* encoder() override { return predictions_ ? this : nullptr; }
  Classifier* classifier() override { return class_head_ ? this : nullptr; }
  const StepCosts* step_costs() const override { return this; }
  const std::shared_ptr<TextEmbeddings>& embeddings() const override { return embeddings_; }

  void prepare(ModelInput& input) const override {
    check_token_types(input, options_.tables.types);
    Model::prepare(input);
    if (convolution_ && input.lengths.size() > 1)
      input.aside[kConvolvedPlaces] = convolution_->places(RowLayout(input.lengths));
  }

  Tensor encode(const ModelInput& input) override {
    const RowLayout rows = row_layout(input);
    const auto places = input.aside.find(kConvolvedPlaces);
    if (convolution_ && places != input.aside.end())
      convolution_->take_places(rows, places->second);
    const Tensor embedded = embeddings_->forward(input.input_ids, input.token_types, rows);
    Tensor table = distances_of(rows);
    if (!table.defined()) table = torch::empty({0}, embedded.options());
    Tensor x = embedded;
    for (const auto& layer : layers_) {
      if (options_.enhanced_mask_decoder && layer == layers_.back()) return decoded(x, table, rows);
      const auto run = [&layer, rows](const Tensor& in, const Tensor& distances) {
        const RowStates seen{distances, RowLayout()};
        return layer->forward(in, {rows, nullptr, &seen});
      };
      x = gradient_checkpointing_ ? checkpointed(run, x, table) : run(x, table);
      if (convolution_ && layer == layers_.front()) x = convolution_->forward(embedded, x, rows);
    }
    return x;
  }
  Tensor before_head(const Tensor& states) override { return predictions_->transformed(states); }
  Linear head() override { return predictions_->decoder; }
  const ClassOptions& classes() const override { return class_head_->classes(); }
  Tensor classify(const ModelInput& input) override {
    return class_head_->forward(encode(input), row_layout(input));
  }

  PassCost cost(const Pass& pass) const override {
    const StepTerms& terms = pass.terms;
    PassCost cost;
    Stage inputs;
    inputs.kept = 2 * terms.block(pass.tokens, 8);  // ids and labels
    inputs.moments = {{inputs.kept, 0}};
    cost.stages = {inputs, embeddings_->cost(terms, pass.tokens)};
    const bool embeddings_train = trained_within(terms, *embeddings_).trains;
    bool flows = embeddings_train;
    const RowsShape rows = rows_shape(pass.lengths, /*causal=*/false);
    const std::int64_t state = terms.block(pass.tokens * options_.layer.hidden);
    if (options_.distances.on) {
      const Stage table = table_cost(terms, pass);
      cost.stages.push_back(table);
      flows = flows || table.gradients > 0;
    }
    for (const auto& layer : layers_) {
      LayerCost of_layer = layer->cost(terms, rows, pass.tokens, flows);
      flows = flows || of_layer.share.trains;
      if (options_.enhanced_mask_decoder && layer == layers_.back()) {
        // Positions and states come to queries; the layer has its gradients since its last use.
        LayerCost before = of_layer;
        before.share.parameters = 0;
        before.attention += flows ? state : 0;
        for (int step = 1; step < kDecoderSteps; ++step)
          cost.stages.push_back(layer_stage(terms, before, 2 * state, state));
      }
      cost.stages.push_back(layer_stage(terms, of_layer, state, state));
      if (!convolution_ || layer != layers_.front()) continue;
      cost.stages.push_back(convolution_->cost(
          terms, pass.tokens, static_cast<std::int64_t>(pass.lengths.size()), flows));
      flows = flows || trained_within(terms, *convolution_).trains;
    }
    if (class_head_) {
      class_head_->add_cost(pass, flows, cost);
    } else {
      cost.stages.push_back(predictions_->cost(terms, pass.labels, flows));
      cost.head = predictions_->head_cost(terms, embeddings_->words);
    }
    if (!reads_table()) {
      if (table_) cost.unreached += terms.of(*table_).parameters;
      if (table_norm_) cost.unreached += terms.of(*table_norm_).parameters;
    }
    return cost;
  }

  ModelGeometry geometry() const override {
    ModelGeometry g;
    g.vocab_size = options_.tables.words, g.hidden_size = options_.layer.hidden;
    g.num_hidden_layers = options_.num_hidden_layers;
    g.num_attention_heads = g.num_key_value_heads = options_.layer.heads;
    g.head_dim = options_.layer.hidden / options_.layer.heads;
    g.tied_embeddings = options_.tie_word_embeddings;
    return g;
  }

 private:
  /// The enhanced mask decoder on the states before the last layer: queries are those with the
  /// positions added, and the layer's result the second time.
  Tensor decoded(const Tensor& states, const Tensor& table, const RowLayout& rows) const {
    Tensor asking = embeddings_->positions(rows, states.device()) + states;
    const auto run = [layer = layers_.back(), rows](const std::vector<Tensor>& in) {
      const RowStates seen{in[2], RowLayout()};
      return std::vector<Tensor>{layer->forward_from(in[0], in[1], {rows, nullptr, &seen})};
    };
    for (int step = 0; step < kDecoderSteps; ++step) {
      const std::vector<Tensor> in{asking, states, table};
      asking = (gradient_checkpointing_ ? checkpointed_all(run, in) : run(in)).front();
    }
    return asking;
  }

  bool reads_table() const { return layers_.front()->reads_table(); }

  /// The part of the table that these rows ask for, as the layers read it; undefined: none does.
  Tensor distances_of(const RowLayout& rows) const {
    if (!reads_table()) return {};
    const TablePart part = part_for(options_.distances, rows.longest());
    const Tensor own = table_->weight.narrow(0, part.first, part.count);
    return table_norm_ ? table_norm_->forward(own) : own;
  }

  Stage table_cost(const StepTerms& terms, const Pass& pass) const {
    Stage stage;
    if (!reads_table()) return stage;
    std::int64_t longest = 1;
    for (const std::int64_t length : pass.lengths) longest = std::max(longest, length);
    const std::int64_t rows = part_for(options_.distances, longest).count;
    const bool learns = terms.of(*table_).trains || (table_norm_ && terms.of(*table_norm_).trains);
    if (table_norm_) stage.kept = norm_kept(terms, table_norm_, rows);
    stage.moments = {{stage.kept, 2 * terms.block(rows * options_.layer.hidden)}};
    if (learns) {
      stage.gradients = terms.of(*table_).parameters * terms.gradient_element;
      if (table_norm_)
        stage.gradients += terms.of(*table_norm_).parameters * terms.gradient_element;
    }
    return stage;
  }

  Options options_;
  std::shared_ptr<TextEmbeddings> embeddings_;
  std::vector<std::shared_ptr<Layer>> layers_;
  Embedding table_{nullptr};
  LayerNorm table_norm_{nullptr};
  std::shared_ptr<Convolution> convolution_;
  std::unique_ptr<Predictions> predictions_;  ///< one of these two
  std::unique_ptr<TextClassHead> class_head_;
};

namespace {

Result<Plan> read_deberta(const Json& config, const std::filesystem::path& folder) {
  LUTHIER_TRY(const Options options, read_options(config, (folder / "config.json").string()));
  Plan plan;
  plan.build = builder<Deberta>(options);
  plan.initializer_range = options.initializer_range;
  plan.longest_row = options.tables.positions;  // distances have no end
  plan.labels.classes = options.classes;
  return plan;
}

/// Also as a few files spell the head of v3's discriminator.
std::string deberta_memory_name(const std::string& stored) {
  constexpr std::string_view kSpelled = "mask_predictions.classifier.";
  if (stored.starts_with(kSpelled))
    return "mask_predictions.classifer." + stored.substr(kSpelled.size());
  // Its pooler stands beside its body.
  return stored.starts_with("pooler.") ? stored : within_text_body("deberta", stored);
}

Family deberta_family() {
  return text_encoder_family(
      "deberta-v2", read_deberta, deberta_memory_name,
      {"DebertaV2ForSequenceClassification", "DebertaV2ForTokenClassification"});
}

}  // namespace

}  // namespace deberta

extern const Family deberta_v2_family;
const Family deberta_v2_family = deberta::deberta_family();

}  // namespace luthier
