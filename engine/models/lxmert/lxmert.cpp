// SPDX-License-Identifier: GPL-3.0-or-later
// LXMERT (Tan & Bansal 2019): an encoder of text, one of regions that a detector found in a
// picture, and one in which the two look across to one another. As LxmertForPreTraining of
// transformers 5.17 (what was covered in the text, whether the two belong together, what covered
// regions were, which of a number of answers is right) and as LxmertForQuestionAnswering.
#include "engine/models/bert/named_parts.h"
#include "engine/models/bert/predictions.h"
#include "engine/models/bert/text_encoder.h"
#include "engine/models/lxmert/cross_layer.h"
#include "engine/models/lxmert/lxmert_options.h"
#include "engine/models/row_memory.h"
#include "engine/models/visual_bert/region_plan.h"
#include "engine/nn/checkpointing.h"
#include "engine/nn/module_cost.h"

namespace luthier {

namespace {

using torch::Tensor;

constexpr PredictionNames kLxmertPredictions{"cls.predictions.transform.dense",
                                             "cls.predictions.transform.LayerNorm",
                                             "cls.predictions.decoder", "cls.predictions"};
constexpr double kLxmertEps = 1e-12;
/// What prepare() sets aside.
constexpr const char *kRegionRows = "region_rows", *kWordsAcross = "words_across",
                     *kRegionsAcross = "regions_across", *kPooledStarts = "first_tokens";

/// Features and boxes to states (LxmertVisualFeatureEncoder).
class RegionEmbeddings : public torch::nn::Module {
 public:
  RegionEmbeddings(std::int64_t features, std::int64_t width, const torch::TensorOptions& t)
      : width_(features) {
    of_features_ = register_module("visn_fc", Linear(features, width, true, t));
    feature_norm_ = register_module("visn_layer_norm", LayerNorm(width, kLxmertEps, t));
    of_boxes_ = register_module("box_fc", Linear(4, width, true, t));
    box_norm_ = register_module("box_layer_norm", LayerNorm(width, kLxmertEps, t));
  }
  /// [regions, features and kRegionNumbers] → [regions, width].
  Tensor forward(const Tensor& regions) const {
    const Tensor all = regions.to(feature_norm_->weight.scalar_type());
    const Tensor x = feature_norm_->forward(of_features_->forward(all.slice(1, 0, width_)));
    const std::int64_t box = width_ + region_numbers::kBox;
    return (x + box_norm_->forward(of_boxes_->forward(all.slice(1, box, box + 4)))) / 2;
  }
  Stage cost(const StepTerms& terms, std::int64_t regions) const {
    Stage stage;
    const TrainedShare share = trained_within(terms, *this);
    const std::int64_t state = terms.block(regions * of_boxes_->out_features());
    for (const auto& [product, norm] :
         {std::pair{of_features_, feature_norm_}, std::pair{of_boxes_, box_norm_}}) {
      const ProductsCost made = products_cost(terms, {product}, regions);
      stage.kept += made.input + made.numbers;
      if (made.trains || terms.of(*norm).trains) stage.kept += norm_kept(terms, norm, regions);
    }
    stage.moments = {{stage.kept, 3 * state}};
    stage.gradients = share.parameters * terms.gradient_element;
    return stage;
  }

 private:
  std::int64_t width_;
  Linear of_features_{nullptr}, of_boxes_{nullptr};
  LayerNorm feature_norm_{nullptr}, box_norm_{nullptr};
};

/// Of each region its classes and features (LxmertVisualObjHead); what config.json leaves out has
/// no product.
class RegionHeads {
 public:
  RegionHeads(torch::nn::Module& model, const LxmertOptions& o, const torch::TensorOptions& t)
      : activation_(o.layer.activation) {
    const std::int64_t width = o.layer.hidden;
    dense_ = register_at(model, "obj_predict_head.transform.dense", Linear(width, width, true, t));
    norm_ =
        register_at(model, "obj_predict_head.transform.LayerNorm", LayerNorm(width, kLxmertEps, t));
    const auto made = [&](const char* name, bool wanted, std::int64_t numbers) {
      const std::string path = std::string("obj_predict_head.decoder_dict.") + name;
      return wanted ? register_at(model, path, Linear(width, numbers, true, t)) : Linear(nullptr);
    };
    objects_ = made("obj", o.visual_obj_loss, o.num_object_labels);
    attributes_ = made("attr", o.visual_attr_loss, o.num_attr_labels);
    features_ = made("feat", o.visual_feat_loss, o.visual_feat_dim);
  }
  RegionReader::OfRegions forward(const Tensor& states) const {
    const Tensor x = norm_->forward(activate(dense_->forward(states), activation_));
    const auto said = [&](const Linear& head) { return head ? head->forward(x) : Tensor(); };
    return {said(objects_), said(attributes_), said(features_)};
  }
  /// With what the losses keep of the heads' numbers.
  Stage cost(const StepTerms& terms, std::int64_t regions, bool flows) const {
    Stage stage;
    const ProductsCost dense = products_cost(terms, {dense_}, regions);
    const std::int64_t state = terms.block(regions * dense_->out_features());
    stage.kept = dense.input + dense.numbers;
    const bool inside = flows || dense.trains;
    if (inside) stage.kept += state;
    if (inside || terms.of(*norm_).trains) stage.kept += norm_kept(terms, norm_, regions);
    TrainedShare share = terms.of(*dense_);
    share += terms.of(*norm_);
    std::int64_t most = 0, input = 0;
    for (const Linear& head : {objects_, attributes_, features_}) {
      if (!head) continue;
      const ProductsCost made = products_cost(terms, {head}, regions);
      input = std::max(input, made.input);
      const std::int64_t said = terms.floats(regions * head->out_features());
      stage.kept += made.numbers + said;
      most = std::max(most, said);
      share += terms.of(*head);
    }
    stage.kept += input;
    stage.moments = {{stage.kept, 2 * most + state}};
    stage.gradients = share.parameters * terms.gradient_element;
    return stage;
  }

 private:
  Activation activation_;
  Linear dense_{nullptr}, objects_{nullptr}, attributes_{nullptr}, features_{nullptr};
  LayerNorm norm_{nullptr};
};

/// Which answer is right (LxmertVisualAnswerHead); its activation is gelu whatever config.json
/// says.
class AnswerHead {
 public:
  AnswerHead(torch::nn::Module& model, std::int64_t width, std::int64_t answers,
             const torch::TensorOptions& t) {
    wide_ = register_at(model, "answer_head.logit_fc.0", Linear(width, 2 * width, true, t));
    norm_ = register_at(model, "answer_head.logit_fc.2", LayerNorm(2 * width, kLxmertEps, t));
    out_ = register_at(model, "answer_head.logit_fc.3", Linear(2 * width, answers, true, t));
  }
  Tensor forward(const Tensor& pooled) const {
    return out_->forward(norm_->forward(activate(wide_->forward(pooled), Activation::Gelu)));
  }
  /// Adds to what heads over `rows` pooled states keep.
  void add_cost(const StepTerms& terms, std::int64_t rows, Stage& stage) const {
    const std::int64_t wide = terms.block(rows * wide_->out_features());
    for (const Linear& product : {wide_, out_}) {
      const ProductsCost made = products_cost(terms, {product}, rows);
      stage.kept += made.input + made.numbers;
      stage.gradients += terms.of(*product).parameters * terms.gradient_element;
    }
    stage.kept += wide + norm_kept(terms, norm_, rows);
    stage.gradients += terms.of(*norm_).parameters * terms.gradient_element;
  }

 private:
  Linear wide_{nullptr}, out_{nullptr};
  LayerNorm norm_{nullptr};
};

/// How many regions go with each row of texts: a row of filler has one, which says nothing.
std::vector<std::int64_t> with_filler(std::vector<std::int64_t> counts, std::size_t rows) {
  counts.resize(rows, 1);
  return counts;
}

class Lxmert : public Model,
               public Encoder,
               public Classifier,
               public RegionReader,
               public StepCosts {
 public:
  Lxmert(const LxmertOptions& o, const torch::TensorOptions& t) : options_(o) {
    const std::int64_t width = o.layer.hidden;
    const auto body = register_module("lxmert", std::make_shared<EncoderPart>());
    embeddings_ =
        body->register_module("embeddings", std::make_shared<TextEmbeddings>(o.tables, t));
    // No row 0 of the tables learns by lookups.
    for (const char* table : {"position_embeddings", "token_type_embeddings"})
      std::dynamic_pointer_cast<EmbeddingImpl>(embeddings_->named_children()[table])->padding = 0;
    region_embeddings_ = register_at(
        *body, "encoder.visn_fc", std::make_shared<RegionEmbeddings>(o.visual_feat_dim, width, t));
    const auto add = [&](const char* name, std::int64_t i, auto layer) {
      return register_at(*body, "encoder." + std::string(name) + "." + std::to_string(i), layer);
    };
    for (std::int64_t i = 0; i < o.l_layers; ++i)
      word_layers_.push_back(add("layer", i, std::make_shared<TextLayer>(o.layer, kBertLayer, t)));
    for (std::int64_t i = 0; i < o.x_layers; ++i)
      cross_layers_.push_back(add("x_layers", i, std::make_shared<CrossLayer>(o.layer, t)));
    for (std::int64_t i = 0; i < o.r_layers; ++i)
      region_layers_.push_back(
          add("r_layers", i, std::make_shared<TextLayer>(o.layer, kBertLayer, t)));
    pooler_ = register_at(*body, "pooler.dense", Linear(width, width, true, t));
    if (o.answers) {
      answer_head_ = std::make_unique<AnswerHead>(*this, width, o.answers->numbers(), t);
      return;
    }
    PredictionSizes sizes;
    sizes.hidden = sizes.width = width, sizes.words = o.tables.words;
    sizes.layer_norm_eps = kLxmertEps, sizes.activation = o.layer.activation;
    predictions_ =
        std::make_unique<Predictions>(*this, kLxmertPredictions, sizes, embeddings_->words, t);
    // With a weight of its own it has the same bias still.
    if (!o.tie_word_embeddings) predictions_->decoder->untie();
    match_ = register_at(*this, "cls.seq_relationship", Linear(width, 2, true, t));
    if (o.task_obj_predict) region_heads_ = std::make_unique<RegionHeads>(*this, o, t);
    if (o.task_qa) answer_head_ = std::make_unique<AnswerHead>(*this, width, o.num_qa_labels, t);
  }

  Encoder* encoder() override { return predictions_ ? this : nullptr; }
  Classifier* classifier() override { return options_.answers ? this : nullptr; }
  const StepCosts* step_costs() const override { return this; }

  void prepare(ModelInput& input) const override {
    check_token_types(input, options_.tables.types);
    Model::prepare(input);
    const RowLayout words(input.lengths),
        regions(with_filler(region_counts(input), input.lengths.size()));
    regions.set_aside(input.aside, kRegionRows);
    // As many for each row: words of several lengths look across to them by their ends still.
    if (regions.equal())
      input.aside[std::string(kRegionRows) + " ends"] = regions.ends(torch::kCPU);
    set_across_aside(words, regions, input.aside, kWordsAcross);
    set_across_aside(regions, words, input.aside, kRegionsAcross);
    input.aside[kPooledStarts] = row_starts(input.lengths);
  }

  // Encoder
  Tensor encode(const ModelInput& input) override { return states(input, false).front(); }
  Tensor before_head(const Tensor& states) override { return predictions_->transformed(states); }
  Linear head() override { return predictions_->decoder; }

  // Classifier
  const ClassOptions& classes() const override { return *options_.answers; }
  Tensor classify(const ModelInput& input) override {
    return answer_head_->forward(pooled(input, states(input, false).front()));
  }

  // RegionReader
  std::int64_t region_width() const override { return options_.visual_feat_dim; }
  bool reads_texts_alone() const override { return false; }
  bool learns_words() const override { return options_.task_mask_lm; }
  bool learns_matches() const override { return options_.task_matched; }
  bool covers_regions() const override { return region_heads_ != nullptr; }
  double region_weight() const override { return options_.visual_loss_normalizer; }
  std::int64_t belonging() const override { return 1; }
  Read read(const ModelInput& input) override {
    const std::vector<Tensor> both = states(input, covers_regions());
    return {both.front(), both.size() > 1 ? both.back() : Tensor(), pooled(input, both.front())};
  }
  Tensor matched(const Read& read) const override {
    return match_ ? match_->forward(read.pooled) : Tensor();
  }
  OfRegions of_regions(const Read& read) const override {
    return region_heads_ ? region_heads_->forward(read.regions) : OfRegions();
  }
  Tensor answered(const Read& read) const override {
    return answer_head_ ? answer_head_->forward(read.pooled) : Tensor();
  }

  PassCost cost(const Pass& pass) const override;

  ModelGeometry geometry() const override {
    ModelGeometry g;
    g.vocab_size = options_.tables.words, g.hidden_size = options_.layer.hidden;
    g.num_hidden_layers = options_.l_layers + options_.x_layers + options_.r_layers;
    g.num_attention_heads = g.num_key_value_heads = options_.layer.heads;
    g.head_dim = options_.layer.hidden / options_.layer.heads;
    g.tied_embeddings = predictions_ && options_.tie_word_embeddings;
    return g;
  }

 private:
  /// Of words and, where they are asked for, of regions after the last layer.
  std::vector<Tensor> states(const ModelInput& input, bool regions_too) const {
    LxmertRows rows{row_layout(input),
                    RowLayout(with_filler(region_counts(input), input.lengths.size()))};
    rows.regions.take_back(input.aside, kRegionRows);
    take_across_back(rows.words, rows.regions, input.aside, kWordsAcross);
    take_across_back(rows.regions, rows.words, input.aside, kRegionsAcross);
    const auto through = [&](const auto& layers, Tensor x, const RowLayout& own) {
      for (const auto& layer : layers) {
        const auto run = [layer, own](const Tensor& in) { return layer->forward(in, {own}); };
        x = gradient_checkpointing_ ? checkpointed(run, x) : run(x);
      }
      return x;
    };
    Tensor words =
        through(word_layers_, embeddings_->forward(input.input_ids, input.token_types, rows.words),
                rows.words);
    Tensor regions =
        through(region_layers_, region_embeddings_->forward(given(input, rows)), rows.regions);
    for (std::size_t i = 0; i < cross_layers_.size(); ++i) {
      const auto& layer = cross_layers_[i];
      const bool last = !regions_too && i + 1 == cross_layers_.size();
      const auto run = [layer, rows, last](const std::vector<Tensor>& in) {
        return layer->forward(in[0], in[1], rows, last);
      };
      const std::vector<Tensor> in{words, regions},
          out = gradient_checkpointing_ ? checkpointed_all(run, in) : run(in);
      words = out.front();
      if (!last) regions = out.back();
    }
    if (!regions_too) return {words};
    std::int64_t own = 0;
    for (const std::int64_t count : region_counts(input)) own += count;
    return {words, regions.slice(0, 0, own)};
  }

  /// The batch's regions, and zeros for rows without any.
  Tensor given(const ModelInput& input, const LxmertRows& rows) const {
    const std::int64_t columns = options_.visual_feat_dim + kRegionNumbers;
    const auto options = torch::TensorOptions(torch::kFloat32).device(input.input_ids.device());
    if (!input.pixel_values.defined())
      return torch::zeros({rows.regions.tokens(), columns}, options);
    const std::int64_t filler = rows.regions.tokens() - input.pixel_values.size(0);
    TORCH_CHECK(filler >= 0, "each text goes with one file of regions");
    return filler == 0 ? input.pixel_values
                       : at::cat({input.pixel_values, torch::zeros({filler, columns}, options)});
  }

  Tensor pooled(const ModelInput& input, const Tensor& words) const {
    const auto aside = input.aside.find(kPooledStarts);
    const Tensor starts = aside != input.aside.end() ? aside->second : row_starts(input.lengths);
    return at::tanh(pooler_->forward(words.index_select(0, starts.to(words.device()))));
  }

  LxmertOptions options_;
  std::shared_ptr<TextEmbeddings> embeddings_;
  std::shared_ptr<RegionEmbeddings> region_embeddings_;
  std::vector<std::shared_ptr<TextLayer>> word_layers_, region_layers_;
  std::vector<std::shared_ptr<CrossLayer>> cross_layers_;
  Linear pooler_{nullptr}, match_{nullptr};
  std::unique_ptr<Predictions> predictions_;
  std::unique_ptr<RegionHeads> region_heads_;
  std::unique_ptr<AnswerHead> answer_head_;
};

PassCost Lxmert::cost(const Pass& pass) const {
  const StepTerms& terms = pass.terms;
  const std::int64_t width = options_.layer.hidden,
                     rows = static_cast<std::int64_t>(pass.lengths.size());
  const std::vector<std::int64_t> counts = with_filler(region_counts(pass), pass.lengths.size());
  CrossPass across;
  across.words = pass.tokens;
  for (const std::int64_t count : counts) across.regions += count;
  across.of_words = rows_shape(pass.lengths, /*causal=*/false);
  across.of_regions = rows_shape(counts, /*causal=*/false);
  across.to_regions = across_shape(pass.lengths, counts);
  across.to_words = across_shape(counts, pass.lengths);
  PassCost cost;
  Stage inputs;  // ids, labels and features, these once more where rows of filler are behind them
  const bool fills = rows > pass.pictures.images;
  inputs.kept =
      2 * terms.block(pass.tokens, 8) + (fills ? 2 : 1) * terms.floats(pass.pictures.numbers);
  inputs.moments = {{inputs.kept, 0}};
  cost.stages = {inputs, embeddings_->cost(terms, pass.tokens)};
  const auto through = [&](const auto& layers, std::int64_t tokens, const RowsShape& shape,
                           bool flows) {
    const std::int64_t state = terms.block(tokens * width);
    for (const auto& layer : layers) {
      const LayerCost of_layer = layer->cost(terms, shape, tokens, flows);
      flows = flows || of_layer.share.trains;
      cost.stages.push_back(layer_stage(terms, of_layer, state, state));
    }
    return flows;
  };
  bool words = through(word_layers_, across.words, across.of_words,
                       trained_within(terms, *embeddings_).trains);
  cost.stages.push_back(region_embeddings_->cost(terms, across.regions));
  bool regions = through(region_layers_, across.regions, across.of_regions,
                         trained_within(terms, *region_embeddings_).trains);
  for (std::size_t i = 0; i < cross_layers_.size(); ++i) {
    const CrossLayer& layer = *cross_layers_[i];
    const bool last = !region_heads_ && i + 1 == cross_layers_.size();
    cost.stages.push_back(layer.cost(terms, across, words, regions, last));
    if (last) cost.unreached += layer.of_regions(terms).parameters;
    words = regions = words || regions || trained_within(terms, layer).trains;
  }
  if (region_heads_) cost.stages.push_back(region_heads_->cost(terms, across.regions, regions));
  Stage heads;
  const ProductsCost pooled = products_cost(terms, {pooler_}, rows);
  heads.kept = pooled.input + pooled.numbers + terms.block(rows * width);
  heads.gradients = terms.of(*pooler_).parameters * terms.gradient_element;
  if (match_) {
    const ProductsCost matched = products_cost(terms, {match_}, rows);
    heads.kept += matched.input + matched.numbers;
    heads.gradients += terms.of(*match_).parameters * terms.gradient_element;
  }
  if (answer_head_) answer_head_->add_cost(terms, rows, heads);
  heads.moments = {{heads.kept, words ? 2 * terms.block(pass.tokens * width) : 0}};
  cost.stages.push_back(heads);
  if (!predictions_) {
    cost.head.vocabulary = options_.answers->numbers(), cost.head.width = width;
    return cost;
  }
  cost.stages.push_back(predictions_->cost(terms, pass.labels, words));
  cost.head = predictions_->head_cost(terms, embeddings_->words);
  return cost;
}

Result<Plan> read_lxmert(const Json& config, const std::filesystem::path& folder) {
  LUTHIER_TRY(const LxmertOptions o,
              read_lxmert_options(config, (folder / "config.json").string()));
  RegionNeeds needs;
  needs.width = o.visual_feat_dim, needs.boxes = true;
  if (!o.answers) {
    if (o.task_obj_predict && o.visual_obj_loss) needs.objects = o.num_object_labels;
    if (o.task_obj_predict && o.visual_attr_loss) needs.attributes = o.num_attr_labels;
    if (o.task_qa) needs.answers = o.num_qa_labels;
  }
  return region_plan<Lxmert>(o, needs);
}

}  // namespace

extern const Family lxmert_family;
const Family lxmert_family = [] {
  Family family{"lxmert", /*takes_pictures=*/false, read_lxmert,
                [](const std::string& stored) { return within_text_body("lxmert", stored); },
                same_name};
  family.class_heads.rows = "LxmertForQuestionAnswering";
  return family;
}();

}  // namespace luthier
