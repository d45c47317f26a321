// SPDX-License-Identifier: GPL-3.0-or-later
// Masked autoencoding (He et al. 2022): most of a picture's patches are covered, and the model says
// their pixels. Which are covered goes by noise that is drawn anew each time a row is seen, from
// the seed of its micro-batch and its place there (a stream a row, a number a patch, in the
// patches' order); the loss is ViTMAEForPreTraining's: each patch's mean square, over the covered
// ones. An evaluation tells the share of their variance that is rebuilt ("rebuilt").
#include "engine/base/random_stream.h"
#include "engine/data/picture_rows.h"
#include "engine/models/cost.h"
#include "engine/objectives/objective.h"

namespace luthier {

namespace {

using torch::Tensor;

class MaskedPictures : public Objective {
 public:
  const RowKind& row_kind() const override { return picture_rows(); }
  Status fits(const LoadedModel& base) const override {
    if (base.model->patch_rebuilder()) return {};
    return input_error("A model of type " + std::string(base.family->model_type) +
                           " does not rebuild covered patches.",
                       "objective", "Such a model is vit_mae.");
  }

  bool rolls_out() const override { return true; }
  Status roll_out(Policy& policy, MicroBatch& rows, std::uint64_t seed) override {
    const std::int64_t patches = policy.model().patch_rebuilder()->patches();
    std::uint64_t number = 0;
    for (EncodedRow& row : rows.encoded) {
      RandomStream draws(seed, number++);
      row.targets.clear();
      for (std::int64_t i = 0; i < patches; ++i) row.targets.push_back(draws.unit());
    }
    return {};
  }

  std::int64_t count(const MicroBatch& rows) const override {
    return static_cast<std::int64_t>(rows.encoded.size());
  }

  LossSum loss(Policy& policy, const Batch& batch) override {
    PatchRebuilder& model = *policy.model().patch_rebuilder();
    const PatchRebuilder::Rebuilt rebuilt = model.rebuild(batch.input, noise_of(model, batch));
    const Tensor squares = (rebuilt.made - rebuilt.wanted).pow(2).mean(-1);
    LossSum loss;
    loss.count = squares.size(0);
    loss.sum =
        (squares * rebuilt.covered).sum() / rebuilt.covered.sum() * static_cast<double>(loss.count);
    if (!policy.trains()) loss.figures = {{"rebuilt", share_rebuilt(rebuilt)}};
    return loss;
  }

  /// What the model says and what it should, with the difference, its square and their gradients.
  LossCost cost(const Pass& pass, const HeadCost& head) const override {
    const std::int64_t patches = pass.pictures.numbers / std::max<std::int64_t>(1, head.width);
    return {4 * pass.terms.floats(patches * head.width), 0};
  }

  NamedTensors shown(Policy& policy, const Batch& batch) override {
    const torch::NoGradGuard no_grad;
    PatchRebuilder& model = *policy.model().patch_rebuilder();
    const Tensor noise = noise_of(model, batch);
    const PatchRebuilder::Rebuilt rebuilt = model.rebuild(batch.input, noise);
    return {{"noise", noise.cpu()},
            {"logits", rebuilt.made.cpu()},
            {"wanted", rebuilt.wanted.cpu()},
            {"mask", rebuilt.covered.cpu()},
            {"pixel_values", batch.input.pixel_values.cpu()}};
  }

 private:
  /// Of the variance of all covered patches around their mean, the share that is rebuilt: 1 where
  /// all is, 0 where that mean alone (or worse) is said.
  static Tensor share_rebuilt(const PatchRebuilder::Rebuilt& rebuilt) {
    const torch::NoGradGuard no_grad;
    const Tensor covered = rebuilt.covered.unsqueeze(-1);
    const Tensor mean = (rebuilt.wanted * covered).flatten(0, 1).sum(0) / covered.sum();
    const Tensor missed = ((rebuilt.made - rebuilt.wanted).pow(2) * covered).sum(),
                 spread = ((rebuilt.wanted - mean).pow(2) * covered).sum();
    return (1 - missed / spread.clamp_min(1e-12)).clamp_min(0);
  }

  /// [pictures, patches] float32.
  static Tensor noise_of(const PatchRebuilder& model, const Batch& batch) {
    const auto pictures = static_cast<std::int64_t>(batch.input.pictures.size());
    const std::int64_t patches = model.patches();
    Tensor noise = torch::zeros({pictures, patches}, torch::kFloat64);
    for (std::size_t i = 0; i < batch.sequences.size(); ++i) {
      const std::vector<double>& drawn = batch.rows->encoded[batch.sequences[i].row].targets;
      TORCH_CHECK(static_cast<std::int64_t>(drawn.size()) == patches, "a row has no noise");
      noise[static_cast<std::int64_t>(i)].copy_(torch::tensor(drawn, torch::kFloat64));
    }
    return noise.to(torch::kFloat32).to(batch.input.pixel_values.device());
  }
};

}  // namespace

Result<std::unique_ptr<Objective>> make_masked_pictures(const Recipe&) {
  return std::unique_ptr<Objective>(std::make_unique<MaskedPictures>());
}

}  // namespace luthier
