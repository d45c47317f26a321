// SPDX-License-Identifier: GPL-3.0-or-later
// Two views of each picture are to lie nearest to one another among all of the window's (SimCLR,
// Chen et al. 2020): NT-Xent, each view's cross-entropy over the cosines to all other views,
// divided by a temperature. The points are what the checkpoint's head of classes says, which
// thereby is SimCLR's projection (a linear one; their study's second best): `luthier-cli head MODEL
// --of pictures --says number` draws it, and what is kept afterwards is the body. Views are drawn
// anew each time a row is seen, from its micro-batch's seed and its place there.
#include "engine/data/picture_rows.h"
#include "engine/models/cost.h"
#include "engine/objectives/objective.h"
#include "engine/objectives/picture_views.h"

namespace luthier {

namespace {

using torch::Tensor;

class TwoViews : public Objective {
 public:
  explicit TwoViews(const Recipe& recipe)
      : temperature_(recipe.more.number("two_views.temperature")) {
    settings_.smallest = recipe.more.number("two_views.smallest");
    settings_.jitter = recipe.more.number("two_views.jitter");
  }

  const RowKind& row_kind() const override { return view_rows(); }
  WindowRule window_rule() const override { return WindowRule::Whole; }
  Status fits(const LoadedModel& base) const override {
    if (!base.model->classifier() || !base.processor ||
        base.processor->row_form() != RowForm::PictureAlone || !base.processor->image_processor())
      return input_error(
          "Two views are compared by what a head says of each picture, and this checkpoint of "
          "type " +
              std::string(base.family->model_type) + " has none.",
          "objective",
          "`luthier-cli head MODEL --of pictures --says number --classes 0,1,2,3 --out DIR` gives "
          "a "
          "model of pictures one, with a name a dimension.");
    if (base.model->classifier()->classes().numbers() < 2)
      return input_error(
          "The checkpoint's head says one number of a picture, and its sign alone does not tell "
          "pictures apart.",
          (base.folder / "config.json").string() + ": id2label",
          "`luthier-cli head MODEL --of pictures --says number --classes 0,1,2,3 --out DIR` draws "
          "another, with a name a dimension.");
    LUTHIER_TRY(colours_, picture_colours(*base.processor->image_processor()));
    return {};
  }

  bool rolls_out() const override { return true; }
  bool rolls_out_pictures() const override { return true; }
  bool reads_pixels() const override { return true; }
  Status roll_out(Policy&, MicroBatch& rows, std::uint64_t seed) override {
    std::uint64_t number = 0;
    for (EncodedRow& row : rows.encoded) {
      RandomStream draws(seed, number++);
      row.targets = draw_view(draws);
      const std::vector<double> other = draw_view(draws);
      row.targets.insert(row.targets.end(), other.begin(), other.end());
    }
    return {};
  }

  std::int64_t count(const MicroBatch& rows) const override {
    return 2 * static_cast<std::int64_t>(rows.encoded.size());
  }

  LossSum loss(Policy& policy, const Batch& batch) override {
    const Tensor points = points_of(*policy.model().classifier(), viewed(batch));
    const std::int64_t views = points.size(0);
    const auto numbers = points.options().dtype(torch::kInt64);
    const Tensor own = torch::eye(views, points.options().dtype(torch::kBool));
    const Tensor alike = (points.matmul(points.t()) / temperature_)
                             .masked_fill(own, -std::numeric_limits<float>::infinity());
    // A row's views follow one another.
    const Tensor sibling = torch::arange(views, numbers).view({-1, 2}).flip({1}).reshape({-1});
    LossSum loss;
    loss.count = views;
    loss.sum = at::cross_entropy_loss(alike, sibling, {}, at::Reduction::Sum);
    loss.figures = {{"accuracy", alike.argmax(1).eq(sibling).to(torch::kFloat32).mean()}};
    return loss;
  }

  /// The views' pixels, the points with their lengths, and squares of cosines: scaled, without
  /// their own, their logarithms and gradients.
  LossCost cost(const Pass& pass, const HeadCost& head) const override {
    const StepTerms& terms = pass.terms;
    const std::int64_t views = pass.pictures.frames;
    const std::int64_t width = std::max<std::int64_t>(1, head.vocabulary);
    return {terms.block(pass.pictures.numbers) + 6 * terms.floats(views * width) +
                6 * terms.floats(views * views),
            0};
  }

  NamedTensors shown(Policy& policy, const Batch& batch) override {
    const torch::NoGradGuard no_grad;
    const ModelInput views = viewed(batch);
    std::vector<Tensor> draws;
    for (const EncodedRow& row : batch.rows->encoded)
      draws.push_back(torch::tensor(row.targets, torch::kFloat64));
    return {{"draws", torch::stack(draws)},
            {"pixel_values", batch.input.pixel_values.cpu()},
            {"views", views.pixel_values.cpu()},
            {"points", points_of(*policy.model().classifier(), views).cpu()}};
  }

 private:
  /// The batch with views in the place of its pictures.
  ModelInput viewed(const Batch& batch) const {
    ModelInput input = batch.input;
    std::vector<Tensor> views;
    for (std::size_t i = 0; i < batch.sequences.size(); ++i) {
      const std::vector<double>& drawn = batch.rows->encoded[batch.sequences[i].row].targets;
      TORCH_CHECK(drawn.size() == 2 * kViewDraws, "a row has no draws");
      views.push_back(picture_view(input.pixel_values[static_cast<std::int64_t>(i)],
                                   drawn.data() + (i % 2) * kViewDraws, settings_, colours_));
    }
    input.pixel_values = torch::stack(views);
    input.tower_features = Tensor();
    return input;
  }

  /// Of length 1: [views, numbers] float32.
  static Tensor points_of(Classifier& model, const ModelInput& input) {
    const Tensor said = model.classify(input).to(torch::kFloat32);
    return said / said.norm(2, -1, /*keepdim=*/true).clamp_min(1e-12);
  }

  const double temperature_;
  ViewSettings settings_;
  mutable PictureColours colours_;
};

}  // namespace

Result<std::unique_ptr<Objective>> make_two_views(const Recipe& recipe) {
  return std::unique_ptr<Objective>(std::make_unique<TwoViews>(recipe));
}

}  // namespace luthier
