// SPDX-License-Identifier: GPL-3.0-or-later
// FIBER's model, of whichever folder: of pretraining, with points of either tower, whether a text
// and a picture belong together, and covered words; or of questions with answers that a head tells
// apart. Internal to fiber.
#pragma once

#include <memory>
#include <vector>

#include "engine/models/bert/predictions.h"
#include "engine/models/fiber/backbone.h"
#include "engine/models/fiber/heads.h"
#include "engine/models/two_towers/image_text_pretraining.h"
#include "engine/models/two_towers/pair_matcher.h"
#include "engine/models/two_towers/two_tower_parts.h"

namespace luthier::fiber {

using torch::Tensor;

/// The temperature's start, and what it is held between.
inline constexpr double kStartTemp = 0.07, kLowestTemp = 0.001, kHighestTemp = 1.0;

class Fiber : public Model,
              public TwoTowers,
              public PairMatcher,
              public PretrainedTowers,
              public Encoder,
              public Classifier,
              public PictureTower,
              public StepCosts {
 public:
  Fiber(const Options& o, const torch::TensorOptions& t);

  TwoTowers* two_towers() override { return answers_ ? nullptr : this; }
  Encoder* encoder() override { return answers_ ? nullptr : this; }
  Classifier* classifier() override { return answers_ ? this : nullptr; }
  PictureTower* picture_tower() override { return this; }
  const StepCosts* step_costs() const override { return this; }

  void prepare(ModelInput& input) const override;

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
  Tensor text(const ModelInput& input, std::int64_t rows) override;
  Tensor scale() override { return temp_.clamp(kLowestTemp, kHighestTemp).reciprocal(); }

  // PretrainedTowers
  bool learns_temperature() const override { return !answers_; }
  void hold_temperature() override { temp_.clamp_(kLowestTemp, kHighestTemp); }
  std::int64_t points_width() const override { return options_.hidden_size; }
  void start_own_tensors() override {
    if (temp_.defined()) temp_.fill_(kStartTemp);
  }

  // PairMatcher
  Tensor match(const ModelInput& input, const Pairs& pairs) override;

  // Encoder
  Tensor encode(const ModelInput& input) override {
    const Tensor states = text_.transformed(read(input, /*images_too=*/false).texts);
    return with_filler(states, input.input_ids.size(0));
  }
  Tensor before_head(const Tensor& states) override { return predictions_->transformed(states); }
  Linear head() override { return predictions_->decoder; }

  // Classifier
  const ClassOptions& classes() const override { return *options_.answers; }
  Tensor classify(const ModelInput& input) override;

  PassCost cost(const Pass& pass) const override;

  ModelGeometry geometry() const override;

 private:
  std::int64_t image_width() const {
    return options_.vision.width(options_.vision.depths.size() - 1);
  }
  /// [pictures · places, width].
  Tensor begun(const ModelInput& input) {
    return input.tower_features.defined() ? input.tower_features : tower(input);
  }
  /// [rows]: where they begin.
  static Tensor first_words(const ModelInput& input);
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
  Backbone::Fused read(const ModelInput& input, bool images_too);
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

}  // namespace luthier::fiber
