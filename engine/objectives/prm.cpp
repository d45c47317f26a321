// SPDX-License-Identifier: GPL-3.0-or-later
// A process reward model: a step of an answer is told right or wrong at the last token of the
// separator behind it, by the cross-entropy of transformers' token classification, whose head TRL
// 1.9's PRMTrainer trains. The mean is over the labels of the whole window, where TRL adds up the
// means of micro-batches.
#include <algorithm>

#include "engine/objectives/scored.h"

namespace luthier {

namespace {

using torch::Tensor;

class ProcessReward : public ScoredObjective {
 public:
  ProcessReward(const RowKind& rows, bool last_only) : rows_(rows), last_only_(last_only) {}

  const RowKind& row_kind() const override { return rows_; }
  WindowRule window_rule() const override { return WindowRule::Counts; }
  std::int64_t score_numbers() const override { return 2; }
  std::int64_t count(const MicroBatch& rows) const override {
    std::int64_t sum = 0;
    for (const EncodedRow& row : rows.encoded) {
      const std::int64_t labels = row.labels();
      sum += last_only_ ? std::min<std::int64_t>(1, labels) : labels;
    }
    return sum;
  }
  std::int64_t states_used(std::int64_t labels, std::int64_t sequences) const override {
    return last_only_ ? std::min(labels, sequences) : labels;
  }

  LossSum loss(Policy& policy, const Batch& batch) override {
    const bool last_only = last_only_ && policy.trains();
    const ScoredPlaces places = labelled_places(batch, last_only);
    LossSum result;
    result.count = static_cast<std::int64_t>(places.tokens.size());
    if (result.count == 0) return result;
    const Tensor logits = scores_at(policy.model(), batch, places);  // [steps, 2]
    const Tensor target = labels_at(batch, last_only).to(logits.device());
    result.sum = at::cross_entropy_loss(logits, target, {}, at::Reduction::Sum);
    if (policy.trains()) return result;
    const torch::NoGradGuard no_grad;
    result.figures["accuracy"] = logits.argmax(1).eq(target).to(torch::kFloat32).mean();
    return result;
  }

  /// `logits` [n, L, 2] are those of the labelled tokens, 0 elsewhere.
  NamedTensors shown(Policy& policy, const Batch& batch) override {
    const torch::NoGradGuard no_grad;
    NamedTensors tensors = padded_tokens(batch);
    const Tensor ids = tensors.front().second;
    const std::int64_t rows = ids.size(0), longest = ids.size(1);
    Tensor labels = torch::full({rows, longest}, kIgnoreLabel, torch::kInt64),
           logits = torch::zeros({rows, longest, 2}, torch::kFloat32);
    const ScoredPlaces places = labelled_places(batch, last_only_);
    const Tensor scores = scores_at(policy.model(), batch, places).cpu();
    std::int64_t start = 0;
    std::size_t next = 0;
    for (std::int64_t row = 0; row < rows; ++row) {
      const auto sequence = static_cast<std::size_t>(row);
      for (std::int64_t i = 0; i < places.counts[sequence]; ++i, ++next) {
        const std::int64_t at = places.tokens[next] - start;
        labels[row][at] = batch.example(sequence).labels[static_cast<std::size_t>(at)];
        logits[row][at].copy_(scores[static_cast<std::int64_t>(next)]);
      }
      const auto prompt = static_cast<std::int64_t>(
          batch.rows->encoded[batch.sequences[sequence].row].numbers.at("prompt_tokens"));
      const auto length = static_cast<std::int64_t>(batch.example(sequence).input_ids.size());
      for (auto& [name, tensor] : tensors)
        if (name == "completion_mask" && prompt < length)
          tensor[row].slice(0, prompt, length).fill_(1);
      start += batch.input.lengths[sequence];
    }
    tensors.emplace_back("labels", labels);
    tensors.emplace_back("logits", logits);
    return tensors;
  }

 private:
  /// [steps] int64, in the places' order.
  static Tensor labels_at(const Batch& batch, bool last_only) {
    std::vector<std::int64_t> labels;
    for (std::size_t i = 0; i < batch.sequences.size(); ++i) {
      const std::size_t before = labels.size();
      for (const std::int64_t label : batch.example(i).labels) {
        if (label == kIgnoreLabel) continue;
        if (last_only) labels.resize(before);
        labels.push_back(label);
      }
    }
    return torch::tensor(labels, torch::kInt64);
  }

  const RowKind& rows_;
  const bool last_only_;
};

}  // namespace

Result<std::unique_ptr<Objective>> make_prm(const Recipe& recipe) {
  return std::unique_ptr<Objective>(
      std::make_unique<ProcessReward>(stepwise_rows(recipe.more.text("prm.step_separator")),
                                      recipe.more.flag("prm.train_on_last_step_only")));
}

}  // namespace luthier
