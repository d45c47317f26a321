// SPDX-License-Identifier: GPL-3.0-or-later
// Image-text matching with hard negatives (Li et al. 2021, as BLIP's authors fine-tune for
// retrieval, Li et al. 2022; the logits are BlipForImageTextRetrieval's of transformers 5.17): of
// each row of a window its own pair, its text beside another's picture, and another's text beside
// its picture, each read together and told apart by two classes. The others are drawn by how alike
// the contrastive side finds them: softmax of the likenesses + 1e-4, its own left out. Its loss
// stands beside, without their momentum copies and queues. The draws are two numbers a row, from
// the seed of its micro-batch and its place there: the picture's, then the text's.
#include "engine/base/random_stream.h"
#include "engine/models/cost.h"
#include "engine/models/two_towers/pair_loss.h"
#include "engine/models/two_towers/pair_matcher.h"
#include "engine/objectives/objective.h"

namespace luthier {

namespace {

using torch::Tensor;

/// Added to each share, so that no other is out of reach.
constexpr double kFloor = 1e-4;

/// Of each row [rows, rows] of likenesses the column that its number of [0, 1) falls on, its own
/// left out.
std::vector<std::int64_t> others(const Tensor& logits, const std::vector<double>& draws) {
  const Tensor shares = (at::softmax(logits, 1) + kFloor).to(torch::kCPU, torch::kFloat64);
  const auto weights = shares.fill_diagonal_(0).contiguous();
  const std::int64_t rows = weights.size(0);
  std::vector<std::int64_t> found;
  for (std::int64_t row = 0; row < rows; ++row) {
    const double* of_row = weights.const_data_ptr<double>() + row * rows;
    double all = 0;
    for (std::int64_t i = 0; i < rows; ++i) all += of_row[i];
    double left = draws[static_cast<std::size_t>(row)] * all;
    std::int64_t at = row == rows - 1 ? rows - 2 : rows - 1;  // where rounding leaves a rest
    for (std::int64_t i = 0; i < rows; ++i) {
      left -= of_row[i];
      if (i != row && left < 0) {
        at = i;
        break;
      }
    }
    found.push_back(at);
  }
  return found;
}

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
                       "objective", "Such a model is BlipForImageTextRetrieval, of type blip.");
  }

  bool rolls_out() const override { return true; }
  Status roll_out(Policy&, MicroBatch& rows, std::uint64_t seed) override {
    std::uint64_t number = 0;
    for (EncodedRow& row : rows.encoded) {
      RandomStream draws(seed, number++);
      row.targets = {draws.unit(), draws.unit()};
    }
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
    const auto rows = static_cast<double>(loss.count);
    const Tensor right = belonging(seen);
    loss.sum = at::cross_entropy_loss(seen.matched, right) * rows;
    const Tensor own = torch::arange(loss.count, right.options());  // the diagonal
    const auto share = [](const Tensor& logits, const Tensor& wanted) {
      return logits.argmax(1).eq(wanted).to(torch::kFloat32).mean();
    };
    loss.figures = {{"accuracy/match", share(seen.matched, right)},
                    {"accuracy/text", share(seen.likeness, own)},
                    {"accuracy/image", share(seen.likeness.t(), own)}};
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
            {"draws", torch::stack({torch::tensor(seen.draws[0]), torch::tensor(seen.draws[1])})},
            {"pair_texts", torch::tensor(seen.pairs.texts, torch::kInt64)},
            {"pair_pictures", torch::tensor(seen.pairs.pictures, torch::kInt64)}};
  }

 private:
  /// What the model makes of a window.
  struct Seen {
    Tensor likeness;               ///< [rows, pictures] float32, scaled
    Tensor matched;                ///< [pairs, 2] float32
    PairMatcher::Pairs pairs;      ///< own ones, others' pictures, others' texts
    std::vector<double> draws[2];  ///< of pictures, of texts
  };
  static Seen look(Model& model, const Batch& batch) {
    ModelInput input = batch.input;  // the tower runs once for both sides
    if (!input.tower_features.defined()) input.tower_features = model.picture_tower()->tower(input);
    Seen seen;
    seen.likeness = text_likeness(*model.two_towers(), input);
    const std::int64_t rows = seen.likeness.size(0);
    TORCH_CHECK(rows == static_cast<std::int64_t>(batch.sequences.size()),
                "each text goes with one picture");
    for (const Batch::Sequence& sequence : batch.sequences) {
      const std::vector<double>& drawn = batch.rows->encoded[sequence.row].targets;
      TORCH_CHECK(drawn.size() == 2, "a row has no draws");
      seen.draws[0].push_back(drawn[0]);
      seen.draws[1].push_back(drawn[1]);
    }
    PairMatcher::Pairs& pairs = seen.pairs;
    for (std::int64_t row = 0; row < rows; ++row) {
      pairs.texts.push_back(row);
      pairs.pictures.push_back(row);
    }
    if (rows > 1) {
      const std::vector<std::int64_t> own = pairs.texts;
      const Tensor fixed = seen.likeness.detach();
      const auto pictures = others(fixed, seen.draws[0]), texts = others(fixed.t(), seen.draws[1]);
      pairs.texts.insert(pairs.texts.end(), own.begin(), own.end());
      pairs.pictures.insert(pairs.pictures.end(), pictures.begin(), pictures.end());
      pairs.texts.insert(pairs.texts.end(), texts.begin(), texts.end());
      pairs.pictures.insert(pairs.pictures.end(), own.begin(), own.end());
    }
    seen.matched = dynamic_cast<PairMatcher&>(model).match(input, pairs).to(torch::kFloat32);
    return seen;
  }
  /// Of each pair its class: 1 where the two belong together. [pairs] int64.
  static Tensor belonging(const Seen& seen) {
    Tensor right = torch::zeros({seen.matched.size(0)}, torch::kInt64);
    right.slice(0, 0, seen.likeness.size(0)).fill_(1);
    return right.to(seen.matched.device());
  }

  const double contrastive_weight_;
};

}  // namespace

Result<std::unique_ptr<Objective>> make_matching(const Recipe& recipe) {
  return std::unique_ptr<Objective>(std::make_unique<Matching>(recipe));
}

}  // namespace luthier
