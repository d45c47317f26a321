// SPDX-License-Identifier: GPL-3.0-or-later
// Which pixels of a picture a prompt means (Lüddecke & Ecker 2022): the loss is
// CLIPSegForImageSegmentation's of transformers 5.17, the mean over all pixels of the binary
// cross-entropy. A mask of another size than what the model says is asked for at each of its
// pixels' centres. Told is the intersection over union of what is said with a probability of more
// than one half ("iou", the mean over rows; 1 where nothing is meant and nothing said), in
// evaluations also the mean of that and of the same of all other pixels ("mean_iou").
#include "engine/data/mask.h"
#include "engine/data/mask_rows.h"
#include "engine/models/clipseg/segmenter.h"
#include "engine/models/cost.h"
#include "engine/objectives/objective.h"

namespace luthier {

namespace {

using torch::Tensor;

class Segmentation : public Objective {
 public:
  const RowKind& row_kind() const override { return mask_rows(); }
  Status fits(const LoadedModel& base) const override {
    if (dynamic_cast<const Segmenter*>(base.model.get())) return {};
    return input_error("A model of type " + std::string(base.family->model_type) +
                           " does not say which pixels a prompt means.",
                       "objective", "Such a model is clipseg.");
  }

  std::int64_t count(const MicroBatch& rows) const override {
    return static_cast<std::int64_t>(rows.encoded.size());
  }

  LossSum loss(Policy& policy, const Batch& batch) override {
    const Tensor logits = said(policy.model(), batch);
    const Tensor masks = masks_of(batch, logits);
    LossSum loss;
    loss.count = logits.size(0);
    loss.sum = at::binary_cross_entropy_with_logits(logits, masks, {}, {}, at::Reduction::Mean) *
               static_cast<double>(loss.count);
    const torch::NoGradGuard no_grad;
    const Tensor found = logits > 0, meant = masks > 0.5;
    const Tensor of_meant = overlap(found, meant);
    loss.figures = {{"iou", of_meant.mean()}};
    if (!policy.trains())
      loss.figures["mean_iou"] =
          ((of_meant + overlap(found.logical_not(), meant.logical_not())) / 2).mean();
    return loss;
  }

  /// What is said, the masks, and of each pixel its loss, whether it is found and meant, and the
  /// gradient.
  LossCost cost(const Pass& pass, const HeadCost& head) const override {
    const std::int64_t rows =
        std::min(pass.pictures.images, static_cast<std::int64_t>(pass.lengths.size()));
    return {5 * pass.terms.floats(rows * head.vocabulary), 0};
  }

  NamedTensors shown(Policy& policy, const Batch& batch) override {
    const torch::NoGradGuard no_grad;
    const Tensor logits = said(policy.model(), batch);
    NamedTensors all{{"logits", logits.cpu()}, {"masks", masks_of(batch, logits).cpu()}};
    all.emplace_back("input_ids", batch.input.input_ids.cpu());
    if (batch.input.pixel_values.defined())
      all.emplace_back("pixel_values", batch.input.pixel_values.cpu());
    return all;
  }

 private:
  /// [rows, height, width].
  static Tensor said(Model& model, const Batch& batch) {
    Segmenter::Rows rows;
    std::int64_t next = 0;
    for (std::size_t i = 0; i < batch.sequences.size(); ++i) {
      const auto pictures = static_cast<std::int64_t>(batch.example(i).images.size());
      TORCH_CHECK(pictures == 1 || pictures == 2, "a row has one picture, and one may prompt");
      rows.pictures.push_back(next);
      rows.prompts.push_back(pictures == 2 ? next + 1 : -1);
      next += pictures;
    }
    return dynamic_cast<Segmenter&>(model).segment(batch.input, rows);
  }
  /// Of the logits' sizes, 1 where the prompt means the pixel and 0 elsewhere.
  static Tensor masks_of(const Batch& batch, const Tensor& logits) {
    const torch::NoGradGuard no_grad;
    const std::int64_t height = logits.size(1), width = logits.size(2);
    const Tensor masks = torch::empty(logits.sizes(), torch::kFloat32);
    for (std::size_t i = 0; i < batch.sequences.size(); ++i) {
      const std::vector<double>& runs = batch.rows->encoded[batch.sequences[i].row].targets;
      TORCH_CHECK(runs.size() > 2, "a row has no mask");
      std::vector<float> mask = mask_at(runs, height, width);
      masks[static_cast<std::int64_t>(i)].copy_(
          torch::from_blob(mask.data(), {height, width}, torch::kFloat32));
    }
    return masks.to(logits.device());
  }
  /// Of masks [rows, height, width] of bool the intersection over union: [rows] float32.
  static Tensor overlap(const Tensor& one, const Tensor& other) {
    const Tensor both = one.logical_and(other).sum({1, 2}).to(torch::kFloat32),
                 either = one.logical_or(other).sum({1, 2}).to(torch::kFloat32);
    return at::where(either > 0, both / either.clamp_min(1), at::ones_like(both));
  }
};

}  // namespace

Result<std::unique_ptr<Objective>> make_segmentation(const Recipe&) {
  return std::unique_ptr<Objective>(std::make_unique<Segmentation>());
}

}  // namespace luthier
