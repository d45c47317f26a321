// SPDX-License-Identifier: GPL-3.0-or-later
// VisualBERT (Li et al. 2019): BERT over rows of a text and, behind it, the regions that a detector
// found in its picture. As VisualBertForPreTraining of transformers 5.17, which says what was
// covered in the text and whether the two belong together, and as VisualBertForQuestionAnswering,
// whose answer is told of the state of the text's last token but one.
#include "engine/models/bert/named_parts.h"
#include "engine/models/bert/predictions.h"
#include "engine/models/bert/text_encoder.h"
#include "engine/models/config_numbers.h"
#include "engine/models/visual_bert/region_plan.h"
#include "engine/models/visual_bert/visual_embeddings.h"
#include "engine/nn/checkpointing.h"
#include "engine/nn/module_cost.h"

namespace luthier {

namespace {

using torch::Tensor;

constexpr const char* kVisualAnswers = "VisualBertForQuestionAnswering";
constexpr PredictionNames kVisualPredictions{"cls.predictions.transform.dense",
                                             "cls.predictions.transform.LayerNorm",
                                             "cls.predictions.decoder", "cls.predictions"};
/// What prepare() sets aside.
constexpr const char *kJoinedRows = "joined", *kJoinedOrder = "joined_order",
                     *kJoinedWords = "joined_words", *kJoinedRegions = "joined_regions",
                     *kJoinedStarts = "joined_starts", *kJoinedAsked = "asked_words";

struct VisualBertOptions {
  TextTables tables;
  TextLayerSizes layer;
  std::int64_t num_hidden_layers = 12;
  std::int64_t visual_embedding_dim = 512;
  std::optional<ClassOptions> answers;  ///< that a head tells apart; none: it is of pretraining
  double initializer_range = 0.02;
  bool tie_word_embeddings = true;
};

/// Rows of texts, each with its regions behind it.
struct JoinedRows {
  std::vector<std::int64_t> lengths;
  std::vector<std::int64_t> order;           ///< of all texts' tokens and then all regions
  std::vector<std::int64_t> words, regions;  ///< where each stands among the joined
  std::vector<std::int64_t> starts, asked;   ///< of each row its first, and the text's last but one
};

JoinedRows joined_rows(const std::vector<std::int64_t>& lengths,
                       const std::vector<std::int64_t>& counts) {
  JoinedRows rows;
  std::int64_t word = 0, place = 0, region = 0;
  for (const std::int64_t length : lengths) region += length;  // where regions begin
  for (std::size_t row = 0; row < lengths.size(); ++row) {
    const std::int64_t count = row < counts.size() ? counts[row] : 0;
    rows.starts.push_back(place);
    rows.asked.push_back(place + std::max<std::int64_t>(0, lengths[row] - 2));
    for (std::int64_t i = 0; i < lengths[row]; ++i) {
      rows.order.push_back(word++);
      rows.words.push_back(place++);
    }
    for (std::int64_t i = 0; i < count; ++i) {
      rows.order.push_back(region++);
      rows.regions.push_back(place++);
    }
    rows.lengths.push_back(lengths[row] + count);
  }
  return rows;
}

class VisualBert : public Model,
                   public Encoder,
                   public Classifier,
                   public RegionReader,
                   public StepCosts {
 public:
  VisualBert(const VisualBertOptions& o, const torch::TensorOptions& t) : options_(o) {
    const auto body = register_module("visual_bert", std::make_shared<EncoderPart>());
    embeddings_ = body->register_module(
        "embeddings", std::make_shared<VisualEmbeddings>(o.tables, o.visual_embedding_dim, t));
    for (std::int64_t i = 0; i < o.num_hidden_layers; ++i)
      layers_.push_back(register_at(*body, "encoder.layer." + std::to_string(i),
                                    std::make_shared<TextLayer>(o.layer, kBertLayer, t)));
    const std::int64_t width = o.layer.hidden;
    pooler_ = register_at(*body, "pooler.dense", Linear(width, width, true, t));
    if (o.answers) {
      answers_ = register_module("cls", Linear(width, o.answers->numbers(), true, t));
      return;
    }
    PredictionSizes sizes;
    sizes.hidden = sizes.width = width, sizes.words = o.tables.words;
    sizes.layer_norm_eps = o.layer.layer_norm_eps, sizes.activation = o.layer.activation;
    sizes.tied = o.tie_word_embeddings;
    predictions_ =
        std::make_unique<Predictions>(*this, kVisualPredictions, sizes, embeddings_->words, t);
    match_ = register_at(*this, "cls.seq_relationship", Linear(width, 2, true, t));
  }

  Encoder* encoder() override { return predictions_ ? this : nullptr; }
  Classifier* classifier() override { return answers_ ? this : nullptr; }
  const StepCosts* step_costs() const override { return this; }

  void prepare(ModelInput& input) const override {
    check_token_types(input, options_.tables.types);
    Model::prepare(input);
    const JoinedRows rows = joined_rows(input.lengths, region_counts(input));
    RowLayout(rows.lengths).set_aside(input.aside, kJoinedRows);
    const auto put = [&](const char* name, const std::vector<std::int64_t>& places) {
      input.aside[name] = torch::tensor(places, torch::kInt64);
    };
    put(kJoinedOrder, rows.order), put(kJoinedWords, rows.words), put(kJoinedRegions, rows.regions);
    put(kJoinedStarts, rows.starts), put(kJoinedAsked, rows.asked);
    VisualEmbeddings::set_alignment_aside(input, input.aside);
  }

  // Encoder
  Tensor encode(const ModelInput& input) override {
    return chosen(input, states(input), kJoinedWords);
  }
  Tensor before_head(const Tensor& states) override { return predictions_->transformed(states); }
  Linear head() override { return predictions_->decoder; }

  // Classifier
  const ClassOptions& classes() const override { return *options_.answers; }
  Tensor classify(const ModelInput& input) override {
    return answers_->forward(chosen(input, states(input), kJoinedAsked));
  }

  // RegionReader
  std::int64_t region_width() const override { return options_.visual_embedding_dim; }
  Read read(const ModelInput& input) override {
    const Tensor all = states(input);
    return {chosen(input, all, kJoinedWords), chosen(input, all, kJoinedRegions),
            at::tanh(pooler_->forward(chosen(input, all, kJoinedStarts)))};
  }
  Tensor matched(const Read& read) const override {
    return match_ ? match_->forward(read.pooled) : Tensor();
  }
  std::int64_t belonging() const override { return 0; }

  PassCost cost(const Pass& pass) const override;

  ModelGeometry geometry() const override {
    ModelGeometry g;
    g.vocab_size = options_.tables.words, g.hidden_size = options_.layer.hidden;
    g.num_hidden_layers = options_.num_hidden_layers;
    g.num_attention_heads = g.num_key_value_heads = options_.layer.heads;
    g.head_dim = options_.layer.hidden / options_.layer.heads;
    g.tied_embeddings = predictions_ && options_.tie_word_embeddings;
    return g;
  }

 private:
  /// [joined, hidden] after the last layer.
  Tensor states(const ModelInput& input) const {
    Tensor x = embeddings_->forward(input.input_ids, input.token_types, row_layout(input));
    const JoinedRows joined = joined_rows(input.lengths, region_counts(input));
    RowLayout rows(joined.lengths);
    rows.take_back(input.aside, kJoinedRows);
    if (!joined.regions.empty()) {
      TORCH_CHECK(input.pixel_values.defined() && input.pictures.size() <= input.lengths.size(),
                  "each text goes with one file of regions");
      x = at::cat({x, embeddings_->regions(input)})
              .index_select(0, places(input, kJoinedOrder, joined.order));
    }
    for (const auto& layer : layers_) {
      const auto run = [&layer, rows](const Tensor& in) { return layer->forward(in, {rows}); };
      x = gradient_checkpointing_ ? checkpointed(run, x) : run(x);
    }
    return x;
  }

  static Tensor places(const ModelInput& input, const char* name,
                       const std::vector<std::int64_t>& here) {
    const auto aside = input.aside.find(name);
    if (aside != input.aside.end()) return aside->second.to(input.input_ids.device());
    return torch::tensor(here, torch::kInt64).to(input.input_ids.device());
  }
  static Tensor chosen(const ModelInput& input, const Tensor& states, const char* name) {
    const JoinedRows rows = joined_rows(input.lengths, region_counts(input));
    const std::string_view which = name;
    return states.index_select(0, places(input, name,
                                         which == kJoinedWords     ? rows.words
                                         : which == kJoinedRegions ? rows.regions
                                         : which == kJoinedStarts  ? rows.starts
                                                                   : rows.asked));
  }

  VisualBertOptions options_;
  std::shared_ptr<VisualEmbeddings> embeddings_;
  std::vector<std::shared_ptr<TextLayer>> layers_;
  Linear pooler_{nullptr}, match_{nullptr}, answers_{nullptr};
  std::unique_ptr<Predictions> predictions_;
};

PassCost VisualBert::cost(const Pass& pass) const {
  const StepTerms& terms = pass.terms;
  const std::int64_t width = options_.layer.hidden;
  const JoinedRows joined = joined_rows(pass.lengths, region_counts(pass));
  const auto regions = static_cast<std::int64_t>(joined.regions.size()),
             all = static_cast<std::int64_t>(joined.order.size()),
             rows = static_cast<std::int64_t>(pass.lengths.size());
  PassCost cost;
  Stage inputs;  // ids, labels, features, and where all stands
  inputs.kept = 2 * terms.block(pass.tokens, 8) + terms.floats(pass.pictures.numbers);
  if (regions > 0) inputs.kept += 2 * terms.block(all, 8);
  inputs.moments = {{inputs.kept, 0}};
  cost.stages = {inputs, embeddings_->cost(terms, pass.tokens, regions)};
  if (regions == 0) cost.unreached += embeddings_->of_regions(terms).parameters;
  bool flows = trained_within(terms, *embeddings_).trains;
  const std::int64_t state = terms.block(all * width);
  if (regions > 0) {  // put in order
    Stage order;
    order.moments = {{0, flows ? 2 * state : 0}};
    cost.stages.push_back(order);
  }
  const RowsShape shape = rows_shape(joined.lengths, /*causal=*/false);
  for (const auto& layer : layers_) {
    const LayerCost of_layer = layer->cost(terms, shape, all, flows);
    flows = flows || of_layer.share.trains;
    cost.stages.push_back(layer_stage(terms, of_layer, state, state));
  }
  Stage heads;
  const auto add = [&](const Linear& product, bool kept) {
    const ProductsCost of_product = products_cost(terms, {product}, rows);
    heads.kept += of_product.input + of_product.numbers;
    if (kept) heads.kept += terms.block(rows * width);
    heads.gradients += terms.of(*product).parameters * terms.gradient_element;
  };
  if (answers_) {
    add(answers_, false);
    cost.unreached += terms.of(*pooler_).parameters;
  } else {
    add(pooler_, true), add(match_, false);
  }
  // Words and what is pooled are taken out of the states, whose gradient is whole again.
  heads.moments = {{heads.kept, flows ? 2 * state : 0}};
  cost.stages.push_back(heads);
  if (answers_) {
    cost.head.vocabulary = options_.answers->numbers(), cost.head.width = width;
    return cost;
  }
  cost.stages.push_back(predictions_->cost(terms, pass.labels, flows));
  cost.head = predictions_->head_cost(terms, embeddings_->words);
  return cost;
}

Result<Plan> read_visual_bert(const Json& config, const std::filesystem::path& folder) {
  const std::string where = (folder / "config.json").string();
  LUTHIER_TRY(
      const bool answers,
      is_of_answers(config, where, {"VisualBERT", "VisualBertForPreTraining", kVisualAnswers}));
  TextEncoderOptions read;
  read.tables.words = 30522, read.tables.positions = 512, read.tables.types = 2;
  read.tables.padding = 1;
  Json sizes = config;
  sizes.erase("architectures");
  LUTHIER_CHECK(read_text_encoder(sizes, where, read));
  VisualBertOptions o;
  o.tables = read.tables, o.layer = read.layer;
  o.tables.width = read.layer.hidden;
  o.num_hidden_layers = read.num_hidden_layers;
  o.initializer_range = read.initializer_range;
  o.tie_word_embeddings = read.tie_word_embeddings;
  LUTHIER_CHECK(
      read_in_range(config, "visual_embedding_dim", where, 1, 1 << 20, o.visual_embedding_dim));
  if (o.tables.types < 2)
    return input_error(
        "Regions have type 1, and there are " + std::to_string(o.tables.types) + " types.",
        where + ": type_vocab_size", "It must be 2 or more.");
  LUTHIER_TRY(const bool bypass, json_bool(config, "bypass_transformer", where, false));
  if (bypass)
    return input_error(
        "Regions that pass by all layers but one are not built; transformers' class does not "
        "compute them, either.",
        where + ": bypass_transformer", "It must be false.");
  if (answers) {
    LUTHIER_TRY(o.answers, read_answer_options(config, where, 0));
  }
  RegionNeeds needs;
  needs.width = o.visual_embedding_dim, needs.width_field = "visual_embedding_dim";
  return region_plan<VisualBert>(o, needs);
}

}  // namespace

extern const Family visual_bert_family;
const Family visual_bert_family = [] {
  Family family{"visual_bert", /*takes_pictures=*/false, read_visual_bert,
                [](const std::string& stored) { return within_text_body("visual_bert", stored); },
                same_name};
  family.class_heads.rows = kVisualAnswers;
  return family;
}();

}  // namespace luthier
