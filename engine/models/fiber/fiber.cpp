// SPDX-License-Identifier: GPL-3.0-or-later
// FIBER (Dou et al. 2022) in its coarse stage: Swin and RoBERTa as two towers whose points are held
// against one another, and the same two with their last layers looking across, which say whether a
// text and a picture belong together, what was covered in the text, or which answer a question has.
// transformers has no class; the names of the heads are the authors' (FIBERTransformerSS), and
// which parts are read by which task is theirs. A picture's places are averaged before the product
// into the common space, theirs behind it, which is the same.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/models/bert/named_parts.h"
#include "engine/models/bert/predictions.h"
#include "engine/models/bert/text_encoder.h"
#include "engine/models/fiber/backbone.h"
#include "engine/models/fiber/heads.h"
#include "engine/models/row_memory.h"
#include "engine/models/two_towers/image_text_pretraining.h"
#include "engine/models/two_towers/pair_texts.h"
#include "engine/models/two_towers/two_tower_parts.h"
#include "engine/nn/module_cost.h"

namespace luthier {

namespace fiber {

namespace {

using torch::Tensor;

/// What prepare() sets aside: where rows begin, and how those with a picture lie.
constexpr const char *kFirstWords = "fiber_starts", *kShownRows = "fiber_words";
constexpr PredictionNames kWords{"mlm_score.transform.dense", "mlm_score.transform.LayerNorm",
                                 "mlm_score.decoder", "mlm_score"};
constexpr double kWordsEps = 1e-12;  // the authors make this head by RobertaConfig's defaults
constexpr double kStartTemp = 0.07, kLowestTemp = 0.001, kHighestTemp = 1.0;

/// What a pass asks for: the sides by themselves, pairs to be matched, covered words. Its
/// source_lengths are the texts of pairs, three a picture, and one a picture more where words are
/// covered in the same step; where words alone are, there are none, and labels.
struct Asked {
  bool alone = false;
  std::vector<std::int64_t> pairs, covered;
  std::int64_t labels = 0;

  Asked(const Pass& pass, bool answers) {
    if (answers || (pass.source_lengths.empty() && pass.labels > 0)) {
      covered = pass.lengths, labels = pass.labels;
      return;
    }
    alone = true;
    const std::vector<std::int64_t>& all = pass.source_lengths;
    const auto rows = static_cast<std::size_t>(pass.pictures.frames);
    if (rows == 0 || all.size() < rows) return;
    const std::size_t matched = all.size() >= 3 * rows ? 3 * rows : 0;
    const auto first = all.begin() + static_cast<std::ptrdiff_t>(matched);
    pairs.assign(all.begin(), first);
    if (all.size() < matched + rows) return;
    covered.assign(first, first + static_cast<std::ptrdiff_t>(rows));
    labels = std::llround(kCoveredShare * static_cast<double>(std::accumulate(
                                              covered.begin(), covered.end(), std::int64_t{0})));
  }
};

class Fiber : public Model,
              public TwoTowers,
              public PairMatcher,
              public PretrainedTowers,
              public Encoder,
              public Classifier,
              public PictureTower,
              public StepCosts {
 public:
  Fiber(const Options& o, const torch::TensorOptions& t)
      : options_(o),
        backbone_(*this, o, t),
        image_(*this, "cross_modal_image_transform", "cross_modal_image_pooler", image_width(),
               o.hidden_size, t),
        text_(*this, "cross_modal_text_transform", "cross_modal_text_pooler", o.layer.hidden,
              o.hidden_size, t) {
    declare_part(kVisionTower, "swin.");
    for (const char* head : {"image_fusion.", "text_fusion.", "cross_modal_", "itm_score.",
                             "mlm_score.", "vqa_classifier.", "temp"})
      declare_part(kProjector, head);
    const std::int64_t space = o.hidden_size;
    if (o.answers) {
      answers_ = std::make_unique<AnswerProducts>(*this, 2 * space, o.answers->numbers(), t);
      return;
    }
    const auto alone = [&](const char* transform, const char* pooler, std::int64_t width) {
      return std::make_unique<SideHead>(*this, transform, o.itc_pooler ? pooler : nullptr, width,
                                        space, t);
    };
    image_alone_ =
        alone("cross_modal_image_transform_itc", "cross_modal_image_pooler_itc", image_width());
    text_alone_ =
        alone("cross_modal_text_transform_itc", "cross_modal_text_pooler_itc", o.layer.hidden);
    itm_ = register_at(*this, "itm_score.fc", Linear(2 * space, 2, true, t));
    PredictionSizes sizes;
    sizes.hidden = sizes.width = space, sizes.words = o.tables.words;
    sizes.layer_norm_eps = kWordsEps, sizes.tied = false, sizes.bias_beside = true;
    predictions_ =
        std::make_unique<Predictions>(*this, kWords, sizes, backbone_.embeddings()->words, t);
    add_parameter("temp", temp_, {}, t);
  }

  TwoTowers* two_towers() override { return answers_ ? nullptr : this; }
  Encoder* encoder() override { return answers_ ? nullptr : this; }
  Classifier* classifier() override { return answers_ ? this : nullptr; }
  PictureTower* picture_tower() override { return this; }
  const StepCosts* step_costs() const override { return this; }

  void prepare(ModelInput& input) const override {
    check_token_types(input, options_.tables.types);
    Model::prepare(input);
    input.aside[kFirstWords] = row_starts(input.lengths);
    if (input.pictures.empty() || input.pictures.size() > input.lengths.size()) return;
    const RowLayout shown(shown_lengths(input));
    shown.set_aside(input.aside, kShownRows);
    backbone_.set_aside(shown, input.aside);
  }

  // PictureTower
  Tensor tower(const ModelInput& input) override {
    TORCH_CHECK(input.pixel_values.size(0) == static_cast<std::int64_t>(input.pictures.size()),
                "a picture is one frame");
    return backbone_.begin(input.pixel_values);
  }
  std::int64_t feature_rows(const PictureFacts&) const override { return backbone_.places(); }
  std::int64_t feature_numbers(const PictureLoad& pictures) const override {
    return pictures.frames * backbone_.places() * backbone_.width();
  }

  // TwoTowers
  Tensor image(const ModelInput& input) override {
    return unit_vectors(image_alone_->forward(backbone_.images(begun(input))));
  }
  Tensor text(const ModelInput& input, std::int64_t rows) override {
    const Tensor states = backbone_.texts(input.input_ids, input.token_types, row_layout(input),
                                          gradient_checkpointing_);
    const Tensor starts = first_words(input).slice(0, 0, rows);
    return unit_vectors(text_alone_->forward(states.index_select(0, starts)));
  }
  Tensor scale() override { return temp_.clamp(kLowestTemp, kHighestTemp).reciprocal(); }

  // PretrainedTowers
  bool learns_temperature() const override { return !answers_; }
  void hold_temperature() override { temp_.clamp_(kLowestTemp, kHighestTemp); }
  std::int64_t points_width() const override { return options_.hidden_size; }
  void start_own_tensors() override {
    if (temp_.defined()) temp_.fill_(kStartTemp);
  }

  // PairMatcher
  Tensor match(const ModelInput& input, const Pairs& pairs) override {
    const PairTexts texts = texts_of(pairs, input);
    const Tensor types =
        input.token_types.defined() ? input.token_types.index_select(0, texts.words) : Tensor();
    const Tensor shown = begun(input)
                             .view({-1, backbone_.places(), backbone_.width()})
                             .index_select(0, texts.pictures)
                             .flatten(0, 1);
    const Backbone::Fused both =
        backbone_.fused(shown, input.input_ids.index_select(0, texts.words), types,
                        backbone_.rows_of(RowLayout(texts.lengths)),
                        /*images_too=*/true, gradient_checkpointing_);
    return itm_->forward(together(both, texts.begins()));
  }

  // Encoder
  Tensor encode(const ModelInput& input) override {
    const Tensor states = text_.transformed(read(input, /*images_too=*/false).texts);
    return with_filler(states, input.input_ids.size(0));
  }
  Tensor before_head(const Tensor& states) override { return predictions_->transformed(states); }
  Linear head() override { return predictions_->decoder; }

  // Classifier
  const ClassOptions& classes() const override { return *options_.answers; }
  Tensor classify(const ModelInput& input) override {
    const auto shown = static_cast<std::int64_t>(input.pictures.size());
    const Tensor both =
        together(read(input, /*images_too=*/true), first_words(input).slice(0, 0, shown));
    return with_filler(answers_->forward(both), std::ssize(input.lengths));
  }

  PassCost cost(const Pass& pass) const override;

  ModelGeometry geometry() const override {
    ModelGeometry g;
    g.vocab_size = options_.tables.words, g.hidden_size = options_.layer.hidden;
    g.num_hidden_layers = options_.num_hidden_layers;
    g.num_attention_heads = g.num_key_value_heads = options_.layer.heads;
    g.head_dim = options_.layer.hidden / options_.layer.heads;
    g.vision_hidden_size = image_width(), g.vision_layers = options_.image_layers();
    g.image_height = options_.vision.image_height, g.image_width = options_.vision.image_width;
    return g;
  }

 private:
  std::int64_t image_width() const {
    return options_.vision.width(options_.vision.depths.size() - 1);
  }
  /// [pictures · places, width].
  Tensor begun(const ModelInput& input) {
    return input.tower_features.defined() ? input.tower_features : tower(input);
  }
  static Tensor first_words(const ModelInput& input) {
    const auto aside = input.aside.find(kFirstWords);
    const Tensor starts = aside != input.aside.end() ? aside->second : row_starts(input.lengths);
    return starts.to(input.input_ids.device());
  }
  /// Of the rows with a picture, behind which there may be filler.
  static std::vector<std::int64_t> shown_lengths(const ModelInput& input) {
    const auto shown = static_cast<std::ptrdiff_t>(input.pictures.size());
    TORCH_CHECK(shown > 0 && shown <= std::ssize(input.lengths), "each text goes with one picture");
    return {input.lengths.begin(), input.lengths.begin() + shown};
  }
  /// x [.., width] with zeros behind, so many of all.
  static Tensor with_filler(const Tensor& x, std::int64_t all) {
    if (x.size(0) == all) return x;
    return at::cat({x, x.new_zeros({all - x.size(0), x.size(1)})});
  }
  /// The rows with a picture, without filler.
  Backbone::Fused read(const ModelInput& input, bool images_too) {
    RowLayout words(shown_lengths(input));
    words.take_back(input.aside, kShownRows);
    FusedRows lain = backbone_.rows_of(words);
    backbone_.take_back(lain, input.aside);
    const Tensor types =
        input.token_types.defined() ? input.token_types.slice(0, 0, words.tokens()) : Tensor();
    return backbone_.fused(begun(input), input.input_ids.slice(0, 0, words.tokens()), types, lain,
                           images_too, gradient_checkpointing_);
  }
  /// [rows, 2 · space]: the text's first state, and the picture's mean.
  Tensor together(const Backbone::Fused& both, const Tensor& starts) const {
    return at::cat({text_.forward(both.texts.index_select(0, starts)), image_.forward(both.images)},
                   1);
  }

  const Options options_;
  Backbone backbone_;
  SideHead image_, text_;
  std::unique_ptr<SideHead> image_alone_, text_alone_;
  std::unique_ptr<Predictions> predictions_;
  std::unique_ptr<AnswerProducts> answers_;  ///< in the place of the three above and the two below
  Linear itm_{nullptr};
  Tensor temp_;  ///< []
};

PassCost Fiber::cost(const Pass& pass) const {
  const StepTerms& terms = pass.terms;
  const std::int64_t pictures = pass.pictures.frames, space = options_.hidden_size;
  const Asked asked(pass, answers_ != nullptr);
  const TowerCost tower = backbone_.begin_cost(terms, pictures);
  PassCost cost;
  cost.stages = {two_tower_inputs(pass, tower.trains)};
  tower.add_to(cost, terms.block(feature_numbers(pass.pictures)));
  const bool covers = !asked.covered.empty();
  const auto beside = [&](const std::vector<std::int64_t>& texts, bool images_too, bool again) {
    const auto rows = std::ssize(texts);
    if (rows > pictures) {  // the pictures' states stand once more, in the rows' order
      Stage shown;
      shown.kept = terms.block(rows * backbone_.places() * backbone_.width());
      shown.moments = {{shown.kept, 0}};
      cost.stages.push_back(shown);
    }
    return backbone_.add_fused(terms, texts, tower.flows, images_too, again, cost.stages);
  };
  const auto add_both = [&](std::int64_t rows, bool text_again) {
    cost.stages.push_back(image_.cost(terms, rows));
    Stage text = text_.cost(terms, rows);
    if (text_again) text.gradients = 0;
    cost.stages.push_back(std::move(text));
    Stage joined;
    joined.kept = terms.block(2 * rows * space);
    joined.moments = {{joined.kept, 0}};
    cost.stages.push_back(joined);
  };
  cost.head.width = space;
  if (asked.alone) {
    const bool again = covers || !asked.pairs.empty();
    backbone_.add_images(terms, pictures, tower.flows, again, !asked.pairs.empty(), cost.stages);
    cost.stages.push_back(image_alone_->cost(terms, pictures));
    backbone_.add_texts(terms, pass.lengths, again, cost.stages);
    cost.stages.push_back(text_alone_->cost(terms, pictures));
  } else {
    cost.unreached += backbone_.of_last_norms(terms);
    if (image_alone_)
      cost.unreached +=
          image_alone_->of_all(terms) + text_alone_->of_all(terms) + terms.of(*this).parameters;
  }
  if (!asked.pairs.empty()) {
    beside(asked.pairs, /*images_too=*/true, /*again=*/covers);
    add_both(std::ssize(asked.pairs), /*text_again=*/false);
    cost.stages.push_back(end_product_cost(terms, itm_, std::ssize(asked.pairs)));
  } else if (!answers_) {
    cost.unreached += terms.of(*itm_).parameters + image_.of_all(terms) + text_.of_pooler(terms);
  }
  if (covers) {
    const Backbone::Flows flows = beside(asked.covered, answers_ != nullptr, /*again=*/false);
    if (answers_) {
      add_both(std::ssize(asked.covered), /*text_again=*/false);
      cost.stages.push_back(answers_->cost(terms, std::ssize(asked.covered)));
      cost.head.vocabulary = options_.answers->numbers();
      return cost;
    }
    const std::int64_t tokens =
        std::accumulate(asked.covered.begin(), asked.covered.end(), std::int64_t{0});
    cost.stages.push_back(text_.transform_cost(terms, tokens, !asked.pairs.empty()));
    cost.stages.push_back(predictions_->cost(terms, asked.labels, flows.texts));
    cost.head = predictions_->head_cost(terms, backbone_.embeddings()->words);
    cost.head.chosen = asked.alone;  // of words that are said beside something else
    if (asked.pairs.empty()) cost.unreached += backbone_.of_last_image_fusion(terms);
    if (asked.pairs.empty() && !asked.alone) cost.unreached += backbone_.of_last_images(terms);
    return cost;
  }
  cost.unreached += trained_within(terms, *named_children()["mlm_score"]).parameters;
  if (asked.pairs.empty())
    cost.unreached += backbone_.of_fusion(terms) + text_.of_all(terms) - text_.of_pooler(terms);
  return cost;
}

Result<Plan> read_fiber(const Json& config, const std::filesystem::path& folder) {
  LUTHIER_TRY(const Options options, read_options(config, (folder / "config.json").string()));
  Plan plan;
  plan.build = [options](const torch::TensorOptions& tensors, HeadWeight) {
    return std::shared_ptr<Model>(std::make_shared<Fiber>(options, tensors));
  };
  plan.pictures = pictures_beside("BlipImageProcessor", options.vision.smallest_frame());
  plan.initializer_range = options.text_range;
  plan.initializer_ranges = [options](const std::string& name) {
    return name.starts_with("swin.") ? options.vision.initializer_range : options.text_range;
  };
  plan.longest_row = longest_row(options.tables);
  plan.labels.classes = options.answers;
  return plan;
}

std::string name_in_memory(const std::string& stored) {
  return stored.starts_with("swin.") ? swin_memory_name(stored) : stored;
}
std::string name_in_files(const std::string& memory) {
  return memory.starts_with("swin.") ? swin_stored_name(memory) : memory;
}

}  // namespace

}  // namespace fiber

extern const Family fiber_family;
const Family fiber_family = [] {
  Family family{"fiber", /*takes_pictures=*/true, fiber::read_fiber, fiber::name_in_memory,
                fiber::name_in_files};
  family.class_heads.rows = fiber::kAnswers;
  return family;
}();

}  // namespace luthier
