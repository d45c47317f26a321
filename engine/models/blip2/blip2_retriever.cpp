// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/blip2/blip2_retriever.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <ATen/CPUGeneratorImpl.h>

#include "engine/models/bert/named_parts.h"
#include "engine/models/bert/predictions.h"
#include "engine/models/smoothed_labels.h"
#include "engine/models/two_towers/image_text_pretraining.h"
#include "engine/models/two_towers/pair_loss.h"
#include "engine/models/two_towers/pair_texts.h"
#include "engine/models/two_towers/two_tower_parts.h"
#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

constexpr double kFirstTemperature = 0.07, kSmoothing = 0.1;  // the authors'

constexpr PredictionNames kItgHead{"cls.predictions.transform.dense",
                                   "cls.predictions.transform.LayerNorm", "cls.predictions.decoder",
                                   "cls.predictions"};

std::int64_t tokens_in(const std::vector<std::int64_t>& lengths) {
  return std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
}

/// What a pass asks for beside the two sides by themselves: its source_lengths are the texts of the
/// pairs to be matched, three a picture, then those that are written, one a picture.
struct AskedTexts {
  std::vector<std::int64_t> pairs, written;

  AskedTexts(const Pass& pass, std::int64_t pictures) {
    const std::vector<std::int64_t>& all = pass.source_lengths;
    const auto rows = static_cast<std::size_t>(pictures);
    if (rows == 0 || all.size() < rows) return;
    const std::size_t matched = all.size() >= 3 * rows ? 3 * rows : 0;
    const auto first = all.begin() + static_cast<std::ptrdiff_t>(matched);
    pairs.assign(all.begin(), first);
    if (all.size() >= matched + rows)
      written.assign(first, first + static_cast<std::ptrdiff_t>(rows));
  }
};

class Blip2Retriever : public Model,
                       public TwoTowers,
                       public SmoothedPairs,
                       public SmoothedLabels,
                       public PairMatcher,
                       public PretrainedTowers,
                       public PictureTextWriter,
                       public PictureTower,
                       public StepCosts {
 public:
  Blip2Retriever(const Blip2RetrievalOptions& o, const torch::TensorOptions& t) : options_(o) {
    const QFormerOptions& q = o.bridge.qformer;
    vision_model_ = register_module("vision_model", BlipTower(o.bridge.vision, t));
    add_parameter("query_tokens", query_tokens_, {1, q.queries, q.hidden_size}, t);
    words_ =
        register_at(*this, "embeddings.word_embeddings", Embedding(q.vocab_size, q.hidden_size, t));
    words_->padding = q.padding;
    positions_ = register_at(*this, "embeddings.position_embeddings",
                             Embedding(q.max_position_embeddings, q.hidden_size, t));
    qformer_ = register_module("qformer", std::make_shared<QFormer>(q, t));
    const std::int64_t space = o.image_text_hidden_size;
    vision_projection_ =
        register_module("vision_projection", Linear(q.hidden_size, space, true, t));
    text_projection_ = register_module("text_projection", Linear(q.hidden_size, space, true, t));
    itm_head_ = register_module("itm_head", Linear(q.hidden_size, 2, true, t));
    if (o.pretraining_head) {
      add_parameter("temp", temp_, {}, t);
      PredictionSizes sizes;
      sizes.hidden = sizes.width = q.hidden_size, sizes.words = q.vocab_size;
      sizes.layer_norm_eps = q.layer_norm_eps, sizes.activation = q.hidden_act;
      predictions_ = std::make_unique<Predictions>(*this, kItgHead, sizes, words_, t);
    }
    declare_part(kVisionTower, kBridgeTower);
    for (const char* name : {"query_tokens", "qformer.", "vision_projection.", "text_projection.",
                             "itm_head.", "temp"})
      declare_part(kProjector, name);
  }

  TwoTowers* two_towers() override { return this; }
  PictureTower* picture_tower() override { return this; }
  const StepCosts* step_costs() const override { return this; }
  Linear output_head() override { return writes() ? predictions_->decoder : nullptr; }

  /// As the authors', whose queries differ from the start: from 0 all of them stay alike for good.
  void start_own_tensors() override {
    const auto generator = at::make_generator<at::CPUGeneratorImpl>(kQuerySeed);
    query_tokens_.copy_(torch::empty(query_tokens_.sizes(), torch::kFloat32)
                            .normal_(0, options_.initializer_range, generator));
    if (temp_.defined()) temp_.fill_(kFirstTemperature);
  }

  void prepare(ModelInput& input) const override {
    TORCH_CHECK(input.input_ids.max().item<std::int64_t>() < words_->weight.size(0),
                "a text has a token that the Q-Former's table has no row for");
    Model::prepare(input);
  }

  Tensor tower(const ModelInput& input) override {
    TORCH_CHECK(input.pixel_values.size(0) == static_cast<std::int64_t>(input.pictures.size()),
                "a picture is one frame");
    return vision_model_->forward(input.pixel_values).flatten(0, 1);
  }

  /// [pictures, queries, width]: a text is as like a picture as the likest of its queries.
  Tensor image(const ModelInput& input) override {
    const Tensor states = states_of(input);
    return points_of(qformer_->forward(query_tokens_, states.flatten(0, 1), states.size(0)));
  }
  Tensor text(const ModelInput& input, std::int64_t rows) override {
    const RowLayout layout = row_layout(input);
    // Filler may be longer than any text.
    const Tensor positions = layout.positions(input.input_ids.device())
                                 .clamp_max(options_.bridge.qformer.max_position_embeddings - 1);
    const Tensor states = qformer_->read(begun(input.input_ids, positions), layout);
    return unit_vectors(
        text_projection_->forward(states.index_select(0, starts(input.lengths, rows, states))));
  }
  Tensor scale() override {
    if (temp_.defined()) return temp_.reciprocal();
    return torch::full({}, std::exp(options_.logit_scale),
                       vision_projection_->weight.leaf().options().requires_grad(false));
  }
  double label_smoothing() const override { return kSmoothing; }
  bool learns_temperature() const override { return temp_.defined(); }
  std::int64_t points_width() const override { return options_.image_text_hidden_size; }

  Tensor match(const ModelInput& input, const Pairs& pairs) override {
    const PairTexts chosen = texts_of(pairs, input);
    QFormerTexts texts;
    texts.lengths = chosen.lengths;
    const QFormerPlaces places = places_of(texts.lengths, input.input_ids.device());
    texts.words = begun(input.input_ids.index_select(0, chosen.words), places.positions);
    const Tensor seen = states_of(input).index_select(0, chosen.pictures);
    const Tensor states =
        qformer_->forward(query_tokens_, seen.flatten(0, 1), seen.size(0), texts, places);
    return itm_head_->forward(by_queries(states)).mean(1);
  }

  bool writes() const override { return predictions_ != nullptr; }
  Linear word_head() override { return predictions_->decoder; }
  Written write(const ModelInput& input) override {
    const Tensor seen = states_of(input);
    const auto rows = static_cast<std::size_t>(seen.size(0));
    QFormerTexts texts;
    texts.written = true;
    texts.lengths.assign(input.lengths.begin(),
                         input.lengths.begin() + static_cast<std::ptrdiff_t>(rows));
    const QFormerPlaces places = places_of(texts.lengths, input.input_ids.device());
    const Tensor first = starts(texts.lengths, seen.size(0), input.input_ids),
                 ids = input.input_ids.slice(0, 0, tokens_in(texts.lengths))
                           .index_fill(0, first, options_.decoder_start);
    texts.words = begun(ids, places.positions);
    const Tensor states =
        qformer_->together(query_tokens_, seen.flatten(0, 1), seen.size(0), texts, places);
    const NextTokens next = next_tokens(ids, texts.lengths, rows);
    Written written;
    written.images = points_of(states.index_select(0, places.queries));
    written.states = predictions_->transformed(
        states.index_select(0, places.texts.index_select(0, next.places)));
    written.labels = next.tokens;
    return written;
  }

  std::int64_t feature_numbers(const PictureLoad& pictures) const override {
    const BlipTowerOptions& vision = options_.bridge.vision;
    return pictures.frames * vision.tokens() * vision.hidden_size;
  }

  PassCost cost(const Pass& pass) const override {
    const StepTerms& terms = pass.terms;
    const std::int64_t pictures = pass.pictures.frames;
    AskedTexts asked(pass, pictures);
    if (!predictions_) asked.written.clear();
    const TowerCost tower = vision_model_->cost(pass);
    PassCost cost;
    cost.stages = {two_tower_inputs(pass, tower.trains)};
    tower.add_to(cost, terms.block(feature_numbers(pass.pictures)));
    const bool own = terms.of(*this).trains, matches = !asked.pairs.empty(),
               writes = !asked.written.empty();
    // The layers' gradients stand since the last time that they run with queries.
    const auto through = [&](std::int64_t count, const std::vector<std::int64_t>& texts, bool again,
                             bool words_again) {
      QFormerPass each;
      each.pictures = count, each.picture_tokens = options_.bridge.vision.tokens();
      each.texts = texts, each.again = again;
      each.written = writes && count == pictures;
      each.memory_flows = count > 0 && tower.flows;
      bool flows = count > 0 && own;
      if (!texts.empty()) flows = add_lookup(terms, words_again, cost) || flows;
      qformer_->add_cost(terms, each, flows, cost.stages);
    };
    Stage queries;
    queries.gradients = terms.of(*this).parameters * terms.gradient_element;
    cost.stages.push_back(queries);
    through(pictures, asked.written, matches, matches);
    if (writes)
      cost.stages.push_back(
          predictions_->cost(terms, tokens_in(asked.written) - std::ssize(asked.written), own));
    cost.stages.push_back(
        end_product_cost(terms, vision_projection_, pictures * options_.bridge.qformer.queries));
    through(0, pass.lengths, true, matches || writes);
    cost.stages.push_back(end_product_cost(terms, text_projection_, pictures));
    if (matches) {
      // The pictures' states stand once more for each pair.
      const auto rows = std::ssize(asked.pairs);
      Stage seen;
      seen.kept =
          terms.block(feature_numbers(pass.pictures) / std::max<std::int64_t>(1, pictures) * rows);
      seen.moments = {{seen.kept, 0}};
      cost.stages.push_back(seen);
      through(rows, asked.pairs, false, false);
      cost.stages.push_back(
          end_product_cost(terms, itm_head_, rows * options_.bridge.qformer.queries));
    } else {
      cost.unreached += terms.of(*itm_head_).parameters;
    }
    cost.head.width = options_.image_text_hidden_size;
    if (predictions_ && writes) cost.head = predictions_->head_cost(terms, words_);
    if (predictions_ && !writes)
      cost.unreached += trained_within(terms, *named_children()["cls"]).parameters;
    return cost;
  }

  ModelGeometry geometry() const override {
    const BlipTowerOptions& vision = options_.bridge.vision;
    const QFormerOptions& q = options_.bridge.qformer;
    ModelGeometry g;
    g.vocab_size = q.vocab_size, g.hidden_size = q.hidden_size;
    g.num_hidden_layers = q.num_hidden_layers;
    g.num_attention_heads = g.num_key_value_heads = q.num_attention_heads;
    g.head_dim = q.hidden_size / q.num_attention_heads;
    g.vision_hidden_size = vision.hidden_size, g.vision_layers = vision.num_hidden_layers;
    g.vision_heads = vision.num_attention_heads, g.vision_tokens = vision.tokens();
    g.image_tokens = q.queries;
    g.image_height = vision.image_height, g.image_width = vision.image_width;
    g.tied_embeddings = options_.pretraining_head;
    return g;
  }

 private:
  static constexpr std::uint64_t kQuerySeed = 42;

  /// [pictures, tokens, width].
  Tensor states_of(const ModelInput& input) {
    const Tensor states = input.tower_features.defined() ? input.tower_features : tower(input);
    return states.view({-1, options_.bridge.vision.tokens(), states.size(1)});
  }
  /// [rows · queries, hidden] → [rows, queries, hidden].
  Tensor by_queries(const Tensor& states) const {
    return states.view({-1, options_.bridge.qformer.queries, states.size(1)});
  }
  Tensor points_of(const Tensor& states) {
    return unit_vectors(vision_projection_->forward(by_queries(states)));
  }
  /// What tokens enter the Q-Former as: [tokens, hidden].
  Tensor begun(const Tensor& ids, const Tensor& positions) const {
    return Embedding(words_)->forward(ids) + Embedding(positions_)->forward(positions);
  }
  /// Where the first so many rows begin.
  static Tensor starts(const std::vector<std::int64_t>& lengths, std::int64_t rows,
                       const Tensor& like) {
    std::vector<std::int64_t> places{0};
    for (std::int64_t row = 0; row + 1 < rows; ++row)
      places.push_back(places.back() + lengths[static_cast<std::size_t>(row)]);
    return torch::tensor(places, torch::kInt64).to(like.device());
  }
  QFormerPlaces places_of(const std::vector<std::int64_t>& texts, torch::Device device) const {
    QFormerPlaces places = qformer_places(options_.bridge.qformer.queries, texts);
    for (Tensor* each : {&places.queries, &places.texts, &places.back, &places.positions})
      *each = each->to(device);
    return places;
  }
  /// A lookup's gradient is as large as its table. Whether one is wanted.
  bool add_lookup(const StepTerms& terms, bool again, PassCost& cost) const {
    Stage lookup;
    bool trains = false;
    std::int64_t work = 0;
    for (const Embedding& table : {words_, positions_}) {
      const TrainedShare share = terms.of(*table);
      trains = trains || share.trains;
      if (share.whole) work = std::max(work, terms.block(table->weight.numel()));
      if (!again) lookup.gradients += share.parameters * terms.gradient_element;
    }
    lookup.moments = {{0, work}};
    cost.stages.push_back(lookup);
    return trains;
  }

  Blip2RetrievalOptions options_;
  BlipTower vision_model_{nullptr};
  Tensor query_tokens_, temp_;  ///< the second undefined: it does not learn
  Embedding words_{nullptr}, positions_{nullptr};
  std::shared_ptr<QFormer> qformer_;
  Linear vision_projection_{nullptr}, text_projection_{nullptr}, itm_head_{nullptr};
  std::unique_ptr<Predictions> predictions_;  ///< null: it writes nothing
};

}  // namespace

std::shared_ptr<Model> make_blip2_retriever(const Blip2RetrievalOptions& options,
                                            const torch::TensorOptions& tensors) {
  return std::make_shared<Blip2Retriever>(options, tensors);
}

}  // namespace luthier
