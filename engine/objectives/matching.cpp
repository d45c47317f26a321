// SPDX-License-Identifier: GPL-3.0-or-later
// Image-text matching with hard negatives (Li et al. 2021, as BLIP's authors fine-tune for
// retrieval, Li et al. 2022; the logits are BlipForImageTextRetrieval's and Blip2ForImageText-
// Retrieval's of transformers 5.17, or FIBER's): the pairs of hard_negatives.h, each read together
// and told apart by two classes. The contrastive loss stands beside, without momentum copies and
// queues.
#include "engine/models/cost.h"
#include "engine/models/two_towers/pair_loss.h"
#include "engine/models/two_towers/pair_matcher.h"
#include "engine/objectives/hard_negatives.h"
#include "engine/objectives/objective.h"

namespace luthier {

namespace {

using torch::Tensor;

class Matching : public Objective {
 public:
  explicit Matching(const Recipe& recipe)
      : contrastive_weight_(recipe.more.number("matching.contrastive_weight")) {}

  const RowKind& row_kind() const override { return caption_rows(); }
  WindowRule window_rule() const override { return WindowRule::Whole; }
  Status fits(const LoadedModel& base) const override {
    if (base.model->two_towers() && dynamic_cast<const PairMatcher*>(base.model.get())) return {};
    return input_error("A model of type " + std::string(base.family->model_type) +
                           " does not read a text together with a picture to match them.",
                       "objective",
                       "Such models are BlipForImageTextRetrieval, Blip2ForImageTextRetrieval and "
                       "FiberForPreTraining.");
  }

  bool rolls_out() const override { return true; }
  Status roll_out(Policy&, MicroBatch& rows, std::uint64_t seed) override {
    draw_negatives(rows, seed);
    return {};
  }

  std::int64_t count(const MicroBatch& rows) const override {
    return static_cast<std::int64_t>(rows.encoded.size());
  }

  LossSum loss(Policy& policy, const Batch& batch) override {
    TwoTowers& towers = *policy.model().two_towers();
    const Seen seen = look(policy.model(), batch);
    LossSum loss;
    loss.count = seen.likeness.size(0);
    const MatchedPairs matched = matched_pairs(seen.matched, loss.count);
    loss.sum = matched.loss * static_cast<double>(loss.count);
    loss.figures = {{"accuracy/match", matched.right},
                    {"accuracy/text", own_found(seen.likeness)},
                    {"accuracy/image", own_found(seen.likeness.t())}};
    if (contrastive_weight_ > 0)
      loss.sum = loss.sum + contrastive_weight_ * pair_loss(towers, seen.likeness);
    return loss;
  }

  /// The pairs' texts are what is read beside the rows: each own, and twice another.
  RowLengths lengths_used(const std::vector<std::int64_t>& lengths,
                          std::int64_t /*labels*/) const override {
    RowLengths used{lengths, {}};
    for (int part = 0; part < 3; ++part)
      used.source.insert(used.source.end(), lengths.begin(), lengths.end());
    return used;
  }
  /// As contrastive's, and a few numbers a pair.
  LossCost cost(const Pass& pass, const HeadCost& head) const override {
    const StepTerms& terms = pass.terms;
    const std::int64_t rows = pass.pictures.images;
    return {6 * terms.block(rows * head.width) + 6 * terms.floats(rows * rows) +
                12 * terms.floats(3 * rows),
            0};
  }

  NamedTensors shown(Policy& policy, const Batch& batch) override {
    const torch::NoGradGuard no_grad;
    const Seen seen = look(policy.model(), batch);
    return {{"logits_per_text", seen.likeness.cpu()},
            {"itm_score", seen.matched.cpu()},
            {"draws",
             torch::stack({torch::tensor(seen.draws.pictures), torch::tensor(seen.draws.texts)})},
            {"pair_texts", torch::tensor(seen.pairs.texts, torch::kInt64)},
            {"pair_pictures", torch::tensor(seen.pairs.pictures, torch::kInt64)}};
  }

 private:
  /// What the model makes of a window.
  struct Seen {
    Tensor likeness;           ///< [rows, pictures] float32, scaled
    Tensor matched;            ///< [pairs, 2] float32
    PairMatcher::Pairs pairs;  ///< own ones, others' pictures, others' texts
    NegativeDraws draws;
  };
  static Seen look(Model& model, const Batch& batch) {
    ModelInput input = batch.input;  // the tower runs once for both sides
    if (!input.tower_features.defined()) input.tower_features = model.picture_tower()->tower(input);
    Seen seen;
    seen.likeness = text_likeness(*model.two_towers(), input);
    TORCH_CHECK(seen.likeness.size(0) == static_cast<std::int64_t>(batch.sequences.size()),
                "each text goes with one picture");
    seen.draws = negative_draws(batch);
    seen.pairs = pairs_with_negatives(seen.likeness, seen.likeness.t(), seen.draws);
    seen.matched = dynamic_cast<PairMatcher&>(model).match(input, seen.pairs).to(torch::kFloat32);
    return seen;
  }

  const double contrastive_weight_;
};

}  // namespace

Result<std::unique_ptr<Objective>> make_matching(const Recipe& recipe) {
  return std::unique_ptr<Objective>(std::make_unique<Matching>(recipe));
}

}  // namespace luthier
