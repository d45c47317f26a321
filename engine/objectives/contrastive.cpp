// SPDX-License-Identifier: GPL-3.0-or-later
// Pictures and their texts told from one another (Radford et al. 2021): each picture of a window
// picks its text among all of the window's, each text its picture. A window cannot be cut into
// micro-batches, since every row is compared with every other; the loss is CLIPModel's.
#include "engine/models/cost.h"
#include "engine/objectives/objective.h"

namespace luthier {

namespace {

class Contrastive : public Objective {
 public:
  const RowKind& row_kind() const override { return caption_rows(); }
  WindowRule window_rule() const override { return WindowRule::Whole; }
  Status fits(const LoadedModel& base) const override {
    if (base.model->two_towers()) return {};
    return input_error("A model of type " + std::string(base.family->model_type) +
                           " puts no pictures and texts into one space.",
                       "objective", "Such models are clip.");
  }

  std::int64_t count(const MicroBatch& rows) const override {
    return static_cast<std::int64_t>(rows.encoded.size());
  }

  LossSum loss(Policy& policy, const Batch& batch) override {
    const torch::Tensor texts = text_likeness(*policy.model().two_towers(), batch.input);
    const torch::Tensor own =
        torch::arange(texts.size(0), texts.options().dtype(torch::kInt64));  // the diagonal
    const auto picked = [&](const torch::Tensor& logits) {
      return at::cross_entropy_loss(logits, own, {}, at::Reduction::Sum);
    };
    const auto right = [&](const torch::Tensor& logits) {
      return logits.argmax(1).eq(own).to(torch::kFloat32).mean();
    };
    LossSum loss;
    loss.count = texts.size(0);
    loss.sum = (picked(texts) + picked(texts.t())) / 2;
    loss.figures = {{"accuracy/text", right(texts)}, {"accuracy/image", right(texts.t())}};
    return loss;
  }

  /// Both sides' points, with what their lengths keep, and squares of likenesses: raw, scaled, the
  /// logarithms of either side, and their gradients.
  LossCost cost(const Pass& pass, const HeadCost& head) const override {
    const StepTerms& terms = pass.terms;
    const std::int64_t rows = pass.pictures.images;
    return {6 * terms.block(rows * head.width) + 6 * terms.floats(rows * rows), 0};
  }

  NamedTensors shown(Policy& policy, const Batch& batch) override {
    const torch::NoGradGuard no_grad;
    return {{"logits_per_text", text_likeness(*policy.model().two_towers(), batch.input)}};
  }
};

}  // namespace

Result<std::unique_ptr<Objective>> make_contrastive(const Recipe&) {
  return std::unique_ptr<Objective>(std::make_unique<Contrastive>());
}

}  // namespace luthier
