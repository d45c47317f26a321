// SPDX-License-Identifier: GPL-3.0-or-later
// What objectives of single answers, each found good or bad, have in common: the log-ratio between
// policy and reference, a term a row, the figures of good answers and bad ones.
#pragma once

#include <string>
#include <vector>

#include "engine/objectives/preference_objective.h"

namespace luthier {

class Unpaired : public PreferenceObjective {
 public:
  /// `section`: of the recipe, with the settings that all of them have.
  Unpaired(const Recipe& recipe, const std::string& section);

  const RowKind& row_kind() const override { return unpaired_rows(); }
  bool needs_reference() const override { return true; }
  std::string reference_checkpoint() const override { return reference_; }
  LossSum loss(Policy& policy, const Batch& batch) override;
  NamedTensors shown(Policy& policy, const Batch& batch) override;

 protected:
  double beta() const { return beta_; }
  /// The reference's log-probabilities of the batch, and whatever else is asked before the policy
  /// answers with a graph.
  virtual LogProbs ask_reference(Policy& policy, const Batch& batch);
  /// [n]: a term for each row. `ratios` [n]: policy − reference; `signs` [n]: 1 of a good answer,
  /// −1 of a bad one.
  virtual torch::Tensor terms(const torch::Tensor& ratios, const torch::Tensor& signs,
                              bool trains) = 0;
  /// What it logs of the batch besides.
  virtual void add_figures(const LogProbs& now, const std::vector<bool>& good,
                           LossSum& result) const = 0;

 private:
  const double beta_;
  const std::string reference_;
};

}  // namespace luthier
