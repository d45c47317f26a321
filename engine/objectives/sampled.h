// SPDX-License-Identifier: GPL-3.0-or-later
// What objectives have in common that learn from several samples of a prompt: their rows, drawing
// and judging a generation, what is asked about it before its first step, and the figures of it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/objectives/advantages.h"
#include "engine/objectives/given_samples.h"
#include "engine/objectives/judges.h"
#include "engine/objectives/router_loss.h"

namespace luthier {

/// A micro-batch's samples beside their log-probabilities.
struct SampledBatch {
  torch::Tensor advantages;  ///< [samples] float32
  torch::Tensor lengths;     ///< [samples] float32: tokens that are learned from
  torch::Tensor old;         ///< [labels] float32, by who drew them; no graph
};

class Sampled : public Objective, public TakesGivenSamples {
 public:
  Sampled(const Recipe& recipe, const std::string& section);

  const RowKind& row_kind() const override { return given_ ? rollout_rows() : prompt_rows(); }
  Status can_begin() const override;
  Status fits(const LoadedModel& base) const override;
  Status check_given(const LoadedModel& base, const EncodedRow& row,
                     const EncodedRow& first) const override;
  std::vector<std::string> judging_folders() const override;
  bool needs_reference() const override { return beta_ != 0; }
  std::string reference_checkpoint() const override { return reference_; }
  GenerationPlan generations() const override { return plan_; }
  Status draw(Policy& policy, Generation& generation) override;
  Status prepare(Policy& policy, Generation& generation) override;
  /// A micro-batch's mean is its own: what it is divided by is no count of it.
  std::int64_t count(const MicroBatch& rows) const override { return rows.empty() ? 0 : 1; }
  NamedTensors shown(Policy& policy, const Batch& batch) override;

 protected:
  /// What the generation's samples are worth. Asks about them what it needs.
  virtual Result<advantages::Judged> judged(Policy& policy, Generation& generation,
                                            const advantages::Rewards& rewards) = 0;
  /// Asks who drew about those samples of which it is not known how likely they were.
  Status ask_old(Policy& policy, Generation& generation) const;
  /// How far the samples are from the reference: log-probabilities of who drew them − its own.
  struct Distance {
    torch::Tensor of_samples;  ///< [samples] float32, row by row: each one's sum over its tokens
    double mean = 0;           ///< over all tokens
  };
  Result<Distance> distance_from_reference(Policy& policy, Generation& generation) const;

  SampledBatch sampled(const LogProbs& now, const Batch& batch) const;
  LogProbs log_probs(Policy& policy, const Batch& batch, bool learns_entropy,
                     const std::shared_ptr<RouterNotes>& notes) const {
    return policy.log_probs(batch, temperature_, notes, learns_entropy);
  }
  /// Of the tokens of a generation that are learned from, one micro-batch's share.
  static double share_of_tokens(const Batch& batch);

  const RouterLoss& routers() const { return routers_; }
  const std::string& section() const { return section_; }
  double beta() const { return beta_; }
  double temperature() const { return temperature_; }
  std::int64_t longest() const { return longest_; }

 private:
  /// That there are as many weights as the rows' rewards.
  Status check_weights(std::size_t rewards) const;
  Status take_rewards(const Generation& generation, advantages::Rewards& rewards,
                      std::vector<std::string>& names) const;
  void tell(Policy& policy, Generation& generation, const advantages::Rewards& rewards,
            const std::vector<std::string>& names, const advantages::Judged& judged) const;
  /// Samples that were cut off are taken out of what is learned from.
  void leave_out_cut(Policy& policy, Generation& generation) const;

  const std::string section_, reference_;
  const RouterLoss routers_;
  GenerationPlan plan_;
  const bool given_;
  const double beta_, temperature_, top_p_;
  const std::int64_t top_k_, longest_;
  const bool leaves_out_cut_;
  const std::vector<std::string> reward_funcs_, weights_;
  mutable Judges judges_;  ///< opened before any work
};

/// The mean over labels, and 0 where there are none.
torch::Tensor mean_of_labels(const torch::Tensor& values);
/// [samples]: each one's mean over its labels; 0 where it has none.
torch::Tensor mean_of_samples(const LogProbs& now, const torch::Tensor& values);

}  // namespace luthier
