// SPDX-License-Identifier: GPL-3.0-or-later
// Classification as transformers' ...ForSequenceClassification, ...ForTokenClassification and
// ...ForImageClassification learn it: cross-entropy where each belongs to one class, binary
// cross-entropy of every class where it may belong to several, squared error where the head's
// numbers are what is asked for. Each is a mean over a micro-batch's numbers. Where rows have a
// score for each of the classes that they belong to one of (answers by several people), it is the
// divergence from these, as VisualBertForQuestionAnswering learns: a mean over rows; the figure is
// then the mean score of what is likeliest.
#include "engine/methods/module_selection.h"
#include "engine/models/cost.h"
#include "engine/objectives/learns_drawn_head.h"
#include "engine/objectives/objective.h"

namespace luthier {

namespace {

using torch::Tensor;

/// What the head said, and what it should have.
struct Judged {
  Tensor logits;  ///< [judged, classes] float32
  Tensor wanted;  ///< [judged] int64, or as the logits

  bool scored() const { return wanted.dim() == 2; }
};

class Classification : public Objective, public LearnsDrawnHead {
 public:
  const char* drawn_head() const override { return kClassHead; }
  const RowKind& row_kind() const override { return class_rows(); }

  Status fits(const LoadedModel& base) const override {
    if (base.model->classifier()) return {};
    if (!base.family->class_heads.any())
      return input_error("A model of type " + std::string(base.family->model_type) +
                             " has no head of classes, and none is known for it.",
                         "objective", "Choose sft, or a model such as bert.");
    return input_error("The checkpoint has no head of classes.", base.folder.string(),
                       "`luthier-cli head MODEL --classes A,B --out DIR` gives it one, drawn "
                       "anew.");
  }

  std::int64_t count(const MicroBatch& rows) const override {
    std::int64_t sum = 0;
    for (const EncodedRow& row : rows.encoded)
      sum += row.targets.empty() ? row.labels() : static_cast<std::int64_t>(1);
    return sum;
  }
  std::int64_t states_used(std::int64_t labels, std::int64_t sequences) const override {
    return std::max(labels, sequences);
  }

  LossSum loss(Policy& policy, const Batch& batch) override {
    Classifier& model = *policy.model().classifier();
    const Judged judged = judge(model, batch);
    LossSum result;
    result.count = judged.logits.size(0);
    if (result.count == 0) return result;
    const double share = static_cast<double>(result.count);
    using Says = ClassOptions::Says;
    if (model.classes().says == Says::One && judged.scored()) {
      result.sum = at::kl_div(at::log_softmax(judged.logits, 1), judged.wanted, at::Reduction::Sum);
    } else if (model.classes().says == Says::One) {
      result.sum = at::cross_entropy_loss(judged.logits, judged.wanted, {}, at::Reduction::Sum);
    } else if (model.classes().says == Says::Several) {
      result.sum = at::binary_cross_entropy_with_logits(judged.logits, judged.wanted) * share;
    } else {
      result.sum = at::mse_loss(judged.logits, judged.wanted) * share;
    }
    result.figures = figures(model.classes(), judged);
    return result;
  }

  /// A few numbers of each row or token.
  LossCost cost(const Pass& pass, const HeadCost& head) const override {
    constexpr std::int64_t kTimes = 6;  // logits, their logarithms, both gradients, what is kept
    const std::int64_t rows = std::max(pass.labels, static_cast<std::int64_t>(pass.lengths.size()));
    return {kTimes * pass.terms.floats(rows * std::max<std::int64_t>(1, head.vocabulary)), 0};
  }

  NamedTensors shown(Policy& policy, const Batch& batch) override {
    const torch::NoGradGuard no_grad;
    const Judged judged = judge(*policy.model().classifier(), batch);
    return {{"logits", judged.logits.cpu()}, {"labels", judged.wanted.cpu()}};
  }

 private:
  /// Of all labelled rows or tokens; filler behind the rows has no part in it.
  static Judged judge(Classifier& model, const Batch& batch) {
    const ClassOptions& classes = model.classes();
    const Tensor all = model.classify(batch.input).to(torch::kFloat32);
    const auto on = torch::TensorOptions().device(all.device());
    if (classes.of == ClassOptions::Of::Token) {
      const Tensor places = label_places(batch.input);
      return {all.index_select(0, places), batch.input.labels.index_select(0, places)};
    }
    std::vector<std::int64_t> rows;
    std::vector<double> wanted;
    const std::size_t numbers_of_row = numbers_wanted(classes, *batch.rows);
    for (std::size_t i = 0; i < batch.sequences.size(); ++i) {
      const EncodedRow& row = batch.rows->encoded[batch.sequences[i].row];
      if (row.targets.empty()) continue;
      rows.push_back(static_cast<std::int64_t>(i));
      if (row.targets.size() < numbers_of_row) {  // all for one class
        wanted.resize(wanted.size() + numbers_of_row, 0.0);
        wanted[wanted.size() - numbers_of_row + static_cast<std::size_t>(row.targets.front())] = 1;
        continue;
      }
      wanted.insert(wanted.end(), row.targets.begin(), row.targets.end());
    }
    const Tensor chosen = all.index_select(0, torch::tensor(rows, torch::kInt64).to(on.device()));
    const Tensor numbers = torch::tensor(wanted, torch::kFloat64);
    if (classes.says == ClassOptions::Says::One && numbers_of_row == 1)
      return {chosen, numbers.to(torch::kInt64).to(on.device())};
    return {chosen, numbers.to(torch::kFloat32).view(chosen.sizes()).to(on.device())};
  }

  /// Of a row: one where each names its class, or one for each class where some have scores.
  static std::size_t numbers_wanted(const ClassOptions& classes, const MicroBatch& rows) {
    std::size_t most = 1;
    for (const EncodedRow& row : rows.encoded) most = std::max(most, row.targets.size());
    return classes.says == ClassOptions::Says::One ? most
                                                   : static_cast<std::size_t>(classes.numbers());
  }

  static std::map<std::string, Tensor> figures(const ClassOptions& classes, const Judged& judged) {
    const torch::NoGradGuard no_grad;
    using Says = ClassOptions::Says;
    if (classes.says == Says::Number)
      return {{"mean_error", (judged.logits - judged.wanted).abs().mean()}};
    if (classes.says == Says::One && judged.scored()) {
      const Tensor likeliest = judged.logits.argmax(1, /*keepdim=*/true);
      return {{"accuracy", judged.wanted.gather(1, likeliest).mean()}};
    }
    const Tensor right = classes.says == Says::One
                             ? judged.logits.argmax(1).eq(judged.wanted)
                             : judged.logits.gt(0).eq(judged.wanted.gt(0.5)).all(1);
    return {{"accuracy", right.to(torch::kFloat32).mean()}};
  }
};

}  // namespace

Result<std::unique_ptr<Objective>> make_classification(const Recipe&) {
  return std::unique_ptr<Objective>(std::make_unique<Classification>());
}

}  // namespace luthier
