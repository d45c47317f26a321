// SPDX-License-Identifier: GPL-3.0-or-later
// Contrast, matching and writing in one step, as BLIP (Li et al. 2022, models/blip_pretrain.py of
// its authors) and BLIP-2's first stage (Li et al. 2023, blip2_qformer.py) are pretrained. The
// contrast is pair_loss or, with momentum copies, momentum_queue.h's; the pairs to be matched are
// hard_negatives.h's; what is written is the row's text, its end included. BLIP-2 writes by the
// model itself (models/two_towers/image_text_pretraining.h); beside BLIP's retriever learns a
// captioner, a model of its own in its folder, with which it shares all but self-attention and head
// (models/blip/shared_captioner.h). FIBER (Dou et al. 2022) writes nothing: a share of each text's
// tokens is covered as in mlm, and said again beside the picture; contrast and matching see the
// text as it is.
//
// The momentum copies are the run's reference, which goes after the model at each step.
#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "engine/base/random_stream.h"
#include "engine/data/covered_rows.h"
#include "engine/hub/folder_kind.h"
#include "engine/models/blip/shared_captioner.h"
#include "engine/models/cost.h"
#include "engine/models/two_towers/image_text_pretraining.h"
#include "engine/models/two_towers/pair_loss.h"
#include "engine/objectives/carried_tensors.h"
#include "engine/objectives/hard_negatives.h"
#include "engine/objectives/joint_model.h"
#include "engine/objectives/masking.h"
#include "engine/objectives/momentum_queue.h"
#include "engine/objectives/objective.h"
#include "engine/objectives/pretraining_parts.h"

namespace luthier {

namespace {

using torch::Tensor;

constexpr std::uint64_t kCoverDraws = 1;  // beside those of negatives

/// What the model makes of a window. Parts that have no weight are undefined, but for likenesses
/// where pairs are matched.
struct PretrainingPass {
  MomentumLogits logits;     ///< [rows, rows + queue] float32
  PairMatcher::Pairs pairs;  ///< that were matched
  NegativeDraws draws;
  Tensor matched;       ///< [pairs, 2] float32
  Tensor itc, itm, lm;  ///< []
};

class ImageTextPretraining : public Objective, public JointModel, public CarriedTensors {
 public:
  explicit ImageTextPretraining(const Recipe& recipe)
      : recipe_(recipe),
        itc_(number("itc_weight")),
        itm_(number("itm_weight")),
        lm_(number("lm_weight")),
        momentum_(number("momentum")),
        alpha_(number("alpha")),
        alpha_steps_(recipe.more.integer("image_text_pretraining.alpha_steps")),
        queue_size_(recipe.more.integer("image_text_pretraining.queue_size")) {
    plan_.folder = lm_ > 0 ? recipe.more.text(kCaptioner) : std::string();
    if (plan_.folder.empty()) return;
    plan_.name = "captioner";
    plan_.field = kCaptioner;
    plan_.gradients = "captioner_grad.";
  }

  const RowKind& row_kind() const override {
    return lm_ > 0 && plan_.folder.empty() ? covered_caption_rows() : caption_rows();
  }
  WindowRule window_rule() const override { return WindowRule::Whole; }

  Status can_begin() const override {
    if (plan_.folder.empty()) return {};
    const Status found = check_model_folder(plan_.folder);
    if (found) return {};
    Error refused = found.error();
    refused.where = std::string(kCaptioner) + ": " + refused.where;
    return refused;
  }
  Status fits(const LoadedModel& base) const override {
    return check_pretrained(base, {lm_, momentum_, !plan_.folder.empty()});
  }

  // A captioner beside the model.
  CompanionPlan companion() const override { return plan_; }
  void take_companion(std::shared_ptr<Companion> companion) override {
    captioner_ = std::move(companion);
  }
  Result<CompanionStart> companion_begins() const override {
    LUTHIER_CHECK(can_begin());
    CompanionStart start{false, plan_.folder, recipe_};
    start.recipe.objective = "sft";
    start.recipe.adapter = {};
    start.recipe.strategy = "full";
    return start;
  }
  Status join(LoadedModel& companion, const LoadedModel& policy) override {
    return share_with_captioner(policy, companion, std::string(kCaptioner) + ": " + plan_.folder);
  }
  bool shares(const std::string& module) const override { return is_shared_with_captioner(module); }
  Pass companion_pass(const Pass& pass, const ModelGeometry& captioner) const override {
    return captioner_pass(pass, captioner);
  }

  // Momentum copies.
  bool needs_reference() const override { return momentum_ > 0; }
  const char* reference_field() const override { return "image_text_pretraining.momentum"; }
  ReferenceMoves reference_moves() const override {
    return momentum_ > 0 ? ReferenceMoves{1, 1 - momentum_} : ReferenceMoves{};
  }
  std::vector<std::pair<std::string, Tensor>> carried_tensors(const LoadedModel& base) override {
    if (queue_size_ == 0) return {};
    const FeatureQueue& queue = queue_of(base);
    return {{"image_queue", queue.images}, {"text_queue", queue.texts}, {"queue_next", queue.next}};
  }
  std::int64_t carried_bytes(const HeadCost& head) const override {
    return 2 * 4 * queue_size_ * head.width;
  }
  Json state() const override { return momentum_ > 0 ? Json{{"steps", steps_}} : Json(); }
  Status read_state(const Json& state, const std::string& where) override {
    if (momentum_ == 0) return {};
    const std::int64_t before = steps_;
    LUTHIER_TRY(steps_, json_int(state, "steps", where));
    newest_.reset();
    if (queue_ && steps_ < before) queue_->take_back();  // the window comes again
    if (steps_ >= 0) return {};
    return input_error("The number of steps is negative.", where + ": steps");
  }
  void carry(const Json& addition) override {
    steps_ += addition.at("steps").get<std::int64_t>();
    if (newest_) queue_->add(*std::exchange(newest_, std::nullopt));
  }
  void take_rows_as_written() override { moves_ = false; }

  bool rolls_out() const override { return true; }
  Status roll_out(Policy& policy, MicroBatch& rows, std::uint64_t seed) override {
    draw_negatives(rows, seed);
    if (lm_ == 0 || !policy.model().encoder()) return {};
    MaskingRule rule;
    rule.probability = kCoveredShare;
    const Masking masking(rule, policy.base().processor->tokenizer());
    std::uint64_t number = 0;
    for (EncodedRow& row : rows.encoded)
      masking.cover(row.sequences.front(), RandomStream(seed, number++, kCoverDraws));
    return {};
  }

  std::int64_t count(const MicroBatch& rows) const override {
    return static_cast<std::int64_t>(rows.encoded.size());
  }

  LossSum loss(Policy& policy, const Batch& batch) override {
    if (policy.trains()) {
      const torch::NoGradGuard no_grad;
      dynamic_cast<PretrainedTowers&>(policy.model()).hold_temperature();
    }
    const PretrainingPass pass = look(policy, batch, policy.trains() && moves_);
    LossSum loss;
    loss.count = static_cast<std::int64_t>(batch.sequences.size());
    const auto add = [&](const char* name, const Tensor& part, double weight) {
      if (!part.defined()) return;
      loss.figures[name] = part.detach();
      if (weight == 0) return;
      const Tensor sum = part * (weight * static_cast<double>(loss.count));
      loss.sum = loss.sum.defined() ? loss.sum + sum : sum;
    };
    add("itc_loss", pass.itc, itc_);
    add("itm_loss", pass.itm, itm_);
    add(policy.model().encoder() ? "mlm_loss" : "lm_loss", pass.lm, lm_);
    if (pass.matched.defined())
      loss.figures["accuracy/match"] = matched_pairs(pass.matched, loss.count).right;
    if (pass.logits.texts.defined()) {
      loss.figures["accuracy/text"] = own_found(pass.logits.texts);
      loss.figures["accuracy/image"] = own_found(pass.logits.pictures);
    }
    return loss;
  }

  /// The texts of the pairs that are matched, each own, and twice another; then those written.
  RowLengths lengths_used(const std::vector<std::int64_t>& lengths,
                          std::int64_t /*labels*/) const override {
    RowLengths used{lengths, {}};
    const int parts = (itm_ > 0 ? 3 : 0) + (lm_ > 0 && plan_.folder.empty() ? 1 : 0);
    for (int part = 0; part < parts; ++part)
      used.source.insert(used.source.end(), lengths.begin(), lengths.end());
    return used;
  }
  /// As matching's and, where the model writes, cross-entropy over its rows' tokens.
  LossCost cost(const Pass& pass, const HeadCost& head) const override {
    const StepTerms& terms = pass.terms;
    const std::int64_t rows = pass.pictures.images;
    LossCost cost{6 * terms.block(rows * head.width) +
                      6 * terms.floats(rows * (rows + queue_size_)) + 12 * terms.floats(3 * rows),
                  0};
    if (head.vocabulary == 0) return cost;
    Pass written = pass;
    written.labels = std::max<std::int64_t>(0, pass.tokens - rows);
    HeadCost words = head;
    if (std::exchange(words.chosen, false))  // of covered tokens alone
      written.labels = std::llround(kCoveredShare * static_cast<double>(pass.tokens));
    const LossCost said = cross_entropy_cost(written, words);
    return {std::max(cost.work, said.work), said.gradient};
  }

  NamedTensors shown(Policy& policy, const Batch& batch) override {
    const torch::NoGradGuard no_grad;
    const PretrainingPass pass = look(policy, batch, /*moves=*/false);
    NamedTensors shown;
    const auto add = [&](const char* name, const Tensor& tensor) {
      if (tensor.defined()) shown.emplace_back(name, tensor.cpu());
    };
    add("logits_per_text", pass.logits.texts);
    add("logits_per_image", pass.logits.pictures);
    if (lm_ > 0 && policy.model().encoder()) {
      add("covered_ids", batch.input.input_ids);
      add("covered_labels", batch.input.labels);
    }
    add("itm_score", pass.matched);
    add("draws",
        torch::stack({torch::tensor(pass.draws.pictures), torch::tensor(pass.draws.texts)}));
    add("pair_texts", torch::tensor(pass.pairs.texts, torch::kInt64));
    add("pair_pictures", torch::tensor(pass.pairs.pictures, torch::kInt64));
    for (const auto& [name, tensor] : carried_tensors(policy.base())) add(name.c_str(), tensor);
    return shown;
  }

 private:
  double number(const char* name) const {
    return recipe_.more.number(std::string("image_text_pretraining.") + name);
  }

  FeatureQueue& queue_of(const LoadedModel& base) {
    if (!queue_) {
      const auto& towers = dynamic_cast<const PretrainedTowers&>(*base.model);
      queue_.emplace(queue_size_, towers.points_width(),
                     static_cast<std::uint64_t>(recipe_.training.seed), base.model->device());
    }
    return *queue_;
  }

  PretrainingPass look(Policy& policy, const Batch& batch, bool moves) {
    Model& model = policy.model();
    TwoTowers& towers = *model.two_towers();
    ModelInput input = batch.input;  // the tower runs once for all three
    if (!input.tower_features.defined()) input.tower_features = model.picture_tower()->tower(input);
    const auto rows = static_cast<std::int64_t>(input.pictures.size());
    TORCH_CHECK(rows == static_cast<std::int64_t>(batch.sequences.size()),
                "each text goes with one picture");
    PretrainingPass pass;
    PairPoints points;
    auto* writer = dynamic_cast<PictureTextWriter*>(&model);
    if (captioner_) pass.lm = captioner_loss(captioner_->model(), input);
    const ModelInput covered = input;
    if (lm_ > 0 && model.encoder())  // what was covered has its token for a label
      input.input_ids = at::where(input.labels.ne(kIgnoreLabel), input.labels, input.input_ids);
    if (lm_ > 0 && writer) {
      const PictureTextWriter::Written written = writer->write(input);
      points.images = written.images;
      pass.lm = token_loss(written.states, writer->word_head(), written.labels, model);
    }
    if (itc_ > 0 || itm_ > 0) {
      if (!points.images.defined()) points.images = towers.image(input);
      points.texts = towers.text(input, rows);
      if (momentum_ > 0)
        contrast_copies(policy, batch.input, points, moves, pass);
      else
        contrast(towers, points, pass);
    }
    if (itm_ > 0) {
      pass.draws = negative_draws(batch);
      pass.pairs = pairs_with_negatives(pass.logits.texts.slice(1, 0, rows),
                                        pass.logits.pictures.slice(1, 0, rows), pass.draws);
      pass.matched = dynamic_cast<PairMatcher&>(model).match(input, pass.pairs).to(torch::kFloat32);
      pass.itm = matched_pairs(pass.matched, rows).loss;
    }
    if (lm_ > 0 && model.encoder()) pass.lm = covered_loss(*model.encoder(), covered);
    return pass;
  }

  static void contrast(TwoTowers& towers, const PairPoints& points, PretrainingPass& pass) {
    pass.logits.texts = likeness(points.texts, points.images, towers.scale(), {});
    pass.logits.pictures = pass.logits.texts.t();
    pass.itc =
        pair_loss(towers, pass.logits.texts) / static_cast<double>(pass.logits.texts.size(0));
  }
  void contrast_copies(Policy& policy, const ModelInput& input, const PairPoints& points,
                       bool moves, PretrainingPass& pass) {
    const Tensor scale = policy.model().two_towers()->scale();
    const PairPoints copies = copies_of(policy, input);
    FeatureQueue& queue = queue_of(policy.base());
    const PairPoints own{points.images.to(torch::kFloat32), points.texts.to(torch::kFloat32)};
    pass.logits = momentum_logits(own, copies, queue, scale);
    const double share = alpha_steps_ > 0
                             ? alpha_ * std::min(1.0, static_cast<double>(steps_) /
                                                          static_cast<double>(alpha_steps_))
                             : alpha_;
    pass.itc =
        momentum_loss(pass.logits, momentum_logits(copies, copies, queue, scale.detach()), share);
    if (!moves) return;
    newest_ = copies;
    add_to_state({{"steps", 1}});
  }

  const Recipe recipe_;
  const double itc_, itm_, lm_, momentum_, alpha_;
  const std::int64_t alpha_steps_, queue_size_;
  CompanionPlan plan_;
  std::shared_ptr<Companion> captioner_;
  std::optional<FeatureQueue> queue_;
  std::optional<PairPoints> newest_;  ///< of the window, until the queue moves
  std::int64_t steps_ = 0;            ///< that the share of the copies has grown over
  bool moves_ = true;                 ///< steps move queue and share
};

}  // namespace

Result<std::unique_ptr<Objective>> make_image_text_pretraining(const Recipe& recipe) {
  return std::unique_ptr<Objective>(std::make_unique<ImageTextPretraining>(recipe));
}

}  // namespace luthier
