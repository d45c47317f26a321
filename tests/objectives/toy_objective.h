// SPDX-License-Identifier: GPL-3.0-or-later
// An objective that stands in no table: rows of its own kind with a mask drawn by place, a count of
// its own (rows, not tokens), figures, and a number that it carries from step to step.
#pragma once

#include "engine/objectives/objective.h"

namespace luthier::test {

/// A conversation whose labels are hidden one by one: half of them, anew at each place of the run.
class HiddenRows : public RowKind {
 public:
  const char* name() const override { return "hidden"; }
  bool varies() const override { return true; }
  Result<EncodedRow> encode(const Conversation& row, const ChatProcessor& processor,
                            const RowEncoding& how, const std::string& where,
                            RowFault* fault) const override {
    LUTHIER_TRY(EncodedRow encoded, answer_rows().encode(row, processor, how, where, fault));
    std::vector<std::int64_t>& labels = encoded.sequences.front().labels;
    std::uint64_t bits = how.noise;
    for (std::size_t i = 0; i + 1 < labels.size(); ++i) {
      bits = bits * 6364136223846793005ull + 1442695040888963407ull;
      if (bits >> 63) labels[i] = kIgnoreLabel;  // the last one stays: no row is without a label
    }
    encoded.numbers["labels"] = static_cast<double>(encoded.labels());
    return encoded;
  }
};

class ToyObjective : public Objective {
 public:
  explicit ToyObjective(WindowRule rule) : rule_(rule) {}

  const RowKind& row_kind() const override {
    static const HiddenRows kind;
    return kind;
  }
  WindowRule window_rule() const override { return rule_; }
  std::int64_t count(const MicroBatch& rows) const override {
    return static_cast<std::int64_t>(rows.encoded.size());
  }
  LossSum loss(Policy& policy, const Batch& batch) override {
    const LogProbs probs = policy.log_probs(batch);
    LossSum loss;
    loss.sum = -probs.summed(probs.values.log_probs).sum();
    loss.count = static_cast<std::int64_t>(batch.sequences.size());
    double labels = 0;
    for (const EncodedRow& row : batch.rows->encoded) labels += row.numbers.at("labels");
    const auto figure = [](double value) { return torch::scalar_tensor(value, torch::kFloat64); };
    loss.figures = {{"toy/rows", figure(static_cast<double>(loss.count))},
                    {"toy/labels", figure(labels)}};
    if (torch::GradMode::is_enabled()) {
      seen_ += loss.count;
      loss.figures["toy/seen"] = figure(static_cast<double>(seen_));
    }
    return loss;
  }
  Json state() const override { return {{"seen", seen_}}; }
  Status read_state(const Json& state, const std::string& where) override {
    LUTHIER_TRY(seen_, json_int(state, "seen", where));
    return {};
  }

 private:
  WindowRule rule_;
  std::int64_t seen_ = 0;
};

}  // namespace luthier::test
