// SPDX-License-Identifier: GPL-3.0-or-later
// Pictures and their texts told from one another: each picture of a window picks its text among all
// of the window's, each text its picture (Radford et al. 2021), or each pair is judged by itself
// (Zhai et al. 2023), as the model has it. Every row is compared with every other, so a window goes
// through the model at once or, with contrastive.gradient_cache, twice, a micro-batch at a time
// (Gao et al. 2021); the loss is CLIPModel's, SiglipModel's or AlignModel's (models/pair_loss).
#include "engine/models/cost.h"
#include "engine/models/two_towers/pair_loss.h"
#include "engine/nn/convolutions/batch_norm.h"
#include "engine/objectives/objective.h"

namespace luthier {

namespace {

class Contrastive : public Objective {
 public:
  explicit Contrastive(const Recipe& recipe)
      : cached_(recipe.more.flag("contrastive.gradient_cache")),
        micro_batches_(recipe.training.gradient_accumulation_steps) {}

  const RowKind& row_kind() const override { return caption_rows(); }
  WindowRule window_rule() const override {
    return cached_ ? WindowRule::Points : WindowRule::Whole;
  }
  Status fits(const LoadedModel& base) const override {
    towers_ = base.model->two_towers();
    if (towers_ && cached_ && !statistics_types(*base.model).empty())
      return input_error("The model's norms go by the batch, and a window would be two of them.",
                         "contrastive.gradient_cache", "Leave it out.");
    if (towers_) return {};
    return input_error("A model of type " + std::string(base.family->model_type) +
                           " puts no pictures and texts into one space.",
                       "objective", "Such models are clip, siglip, align, blip, blip-2 and fiber.");
  }

  std::int64_t count(const MicroBatch& rows) const override {
    return static_cast<std::int64_t>(rows.encoded.size());
  }

  /// No token of a text is said.
  std::int64_t labels_used(std::int64_t /*labels*/) const override { return 0; }

  LossSum loss(Policy& policy, const Batch& batch) override {
    return loss_of({points(policy, batch)});
  }

  /// The pictures' points, the texts', and what their likeness is scaled by and shifted.
  PointsOfRows points(Policy& policy, const Batch& batch) override {
    towers_ = policy.model().two_towers();
    TwoTowers& towers = *towers_;
    const auto rows = static_cast<std::int64_t>(batch.input.pictures.size());
    TORCH_CHECK(rows > 0 && rows <= static_cast<std::int64_t>(batch.input.lengths.size()),
                "each text goes with one picture");
    const torch::Tensor images = towers.image(batch.input), texts = towers.text(batch.input, rows);
    const torch::Tensor bias = towers.bias();
    if (bias.defined()) return {images, texts, towers.scale(), bias};
    return {images, texts, towers.scale()};
  }

  /// Scale and bias are the same in all micro-batches, and learn in the first.
  LossSum loss_of(const std::vector<PointsOfRows>& window) override {
    std::vector<torch::Tensor> images, all;
    for (const PointsOfRows& each : window) {
      images.push_back(each[0]);
      all.push_back(each[1]);
    }
    const auto joined = [](const std::vector<torch::Tensor>& parts) {
      return parts.size() == 1 ? parts.front() : at::cat(parts);
    };
    const PointsOfRows& first = window.front();
    const torch::Tensor texts = likeness(joined(all), joined(images), first[2],
                                         first.size() > 3 ? first[3] : torch::Tensor());
    const torch::Tensor own =
        torch::arange(texts.size(0), texts.options().dtype(torch::kInt64));  // the diagonal
    const auto right = [&](const torch::Tensor& logits) {
      return logits.argmax(1).eq(own).to(torch::kFloat32).mean();
    };
    LossSum loss;
    loss.count = texts.size(0);
    loss.sum = pair_loss(*towers_, texts);
    loss.figures = {{"accuracy/text", right(texts)}, {"accuracy/image", right(texts.t())}};
    return loss;
  }

  /// Both sides' points, with what their lengths keep, and squares of likenesses: raw, scaled, the
  /// logarithms of either side, and their gradients.
  LossCost cost(const Pass& pass, const HeadCost& head) const override {
    const StepTerms& terms = pass.terms;
    const std::int64_t rows = pass.pictures.images * (cached_ ? micro_batches_ : 1);
    return {6 * terms.block(rows * head.width) + 6 * terms.floats(rows * rows), 0};
  }

  NamedTensors shown(Policy& policy, const Batch& batch) override {
    const torch::NoGradGuard no_grad;
    return {{"logits_per_text", text_likeness(*policy.model().two_towers(), batch.input)}};
  }

 private:
  const bool cached_;
  const std::int64_t micro_batches_;
  mutable TwoTowers* towers_ = nullptr;  ///< whose loss it is; a rank may have no rows of a window
};

}  // namespace

Result<std::unique_ptr<Objective>> make_contrastive(const Recipe& recipe) {
  return std::unique_ptr<Objective>(std::make_unique<Contrastive>(recipe));
}

}  // namespace luthier
