// SPDX-License-Identifier: GPL-3.0-or-later
// What objectives have in common that learn from two answers to each prompt: their rows, drawing
// the answers and having them judged where they are not given, the scores, and both models'
// log-probabilities of what is learned from. A micro-batch's size counts prompts.
#pragma once

#include <string>

#include "engine/objectives/drawn_answers.h"
#include "engine/objectives/given_samples.h"
#include "engine/objectives/judges.h"
#include "engine/objectives/objective.h"

namespace luthier {

/// Of n prompts with k answers each that are learned from.
struct JudgedAnswers {
  LogProbs now;               ///< of the policy, with the graph
  torch::Tensor before;       ///< [labels] float32: the reference's, of the same tokens
  torch::Tensor sums;         ///< [n, k]: `now`, each answer's sum
  torch::Tensor before_sums;  ///< [n, k]
  torch::Tensor scores;       ///< [n, 2] float32: what the two answers are worth
  torch::Tensor ended;        ///< [n, 2] float32: 1 where an end token came

  torch::Tensor ratios() const { return sums - before_sums; }  ///< [n, k]
};

class Online : public Objective, public TakesGivenSamples {
 public:
  /// `section`: of the recipe. `both`: the second answer is learned from, too.
  Online(const Recipe& recipe, const std::string& section, bool both);

  const RowKind& row_kind() const override { return given_ ? rollout_rows() : prompt_rows(); }
  Status can_begin() const override;
  Status fits(const LoadedModel& base) const override;
  Status check_given(const LoadedModel& base, const EncodedRow& row,
                     const EncodedRow& first) const override;
  std::vector<std::string> judging_folders() const override;
  bool dropout() const override { return false; }
  bool needs_reference() const override { return true; }
  std::string reference_checkpoint() const override { return reference_; }
  GenerationPlan generations() const override { return plan_; }
  Status draw(Policy& policy, Generation& generation) override;
  Status prepare(Policy& policy, Generation& generation) override;
  std::int64_t count(const MicroBatch& rows) const override {
    return static_cast<std::int64_t>(rows.encoded.size());
  }
  NamedTensors shown(Policy& policy, const Batch& batch) override;

 protected:
  /// Who draws the two answers to each prompt, the first of them by the policy.
  virtual std::vector<Drawer> drawers(Policy& policy) const = 0;
  /// How many of the two are drawn together, and with how many caches each: as one would say it of
  /// the largest of the drawers.
  void set_drawing(std::int64_t together, std::int64_t caches) {
    plan_.drawn = together, plan_.caches = caches;
  }
  JudgedAnswers judged(Policy& policy, const Batch& batch) const;
  double beta() const { return beta_; }

 private:
  const std::string reference_, judge_field_;
  const bool given_;
  const double beta_;
  const std::optional<double> missing_eos_penalty_;
  GenerationPlan plan_;
  mutable Judges judges_;  ///< opened before any work
};

/// One answer by the reference.
Drawer drawn_by_reference(Policy& policy);

/// How pairs are compared: −log σ(β s), or (s − 1/(2β))² under `ipo`, of s [n]: the chosen answer's
/// log-ratio less the rejected one's.
torch::Tensor pair_loss(const torch::Tensor& margins, double beta, bool ipo);

/// The two answers of each prompt as chosen and rejected: by their scores, the first where they are
/// worth the same.
struct ChosenAnswers {
  torch::Tensor first;                                      ///< [n] bool: the first is chosen
  torch::Tensor chosen(const torch::Tensor& both) const;    ///< [n, 2] → [n]
  torch::Tensor rejected(const torch::Tensor& both) const;  ///< [n, 2] → [n]
};
ChosenAnswers chosen_answers(const torch::Tensor& scores);

}  // namespace luthier
