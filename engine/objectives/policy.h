// SPDX-License-Identifier: GPL-3.0-or-later
// The model in training, and what it is compared with: itself with its plugs off, a frozen copy of
// the adapter that it began from, or another model. An objective asks for log-probabilities of
// either and does not know which of these stands behind the second.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "engine/batches/batch.h"
#include "engine/config/recipe.h"
#include "engine/methods/adapter.h"
#include "engine/models/loaded_model.h"
#include "engine/objectives/head_loss.h"

namespace luthier {

/// Log-probabilities of a batch's labelled tokens.
struct LogProbs {
  TokenValues values;                ///< [labels], sequence after sequence
  torch::Tensor target;              ///< [labels] int64: the tokens
  std::vector<std::int64_t> counts;  ///< labels of each sequence
  torch::Tensor sequence;            ///< [labels] int64: the sequence that each belongs to
  torch::Tensor places;              ///< [labels] int64: where each token stands in its sequence

  /// [sequences]: `values` summed by sequence.
  torch::Tensor summed(const torch::Tensor& values) const;
  /// [sequences] float32: `counts`, where the values are.
  torch::Tensor lengths() const;
  /// Labels of the first so many sequences.
  std::int64_t labels_of(std::size_t sequences) const;
};

/// What stands still while the policy learns.
struct Reference {
  std::shared_ptr<Adapter> adapter;  ///< a frozen one on the policy's own base
  /// A model of its own, which needs the pictures themselves; empty: the policy's base.
  std::unique_ptr<LoadedModel> model;
};

class Policy {
 public:
  /// `adapter` may be null. `reference` may be null where the objective asks for none.
  Policy(LoadedModel& base, std::shared_ptr<Adapter> adapter, bool tower_fixed,
         std::shared_ptr<RowCache> cache, std::shared_ptr<Reference> reference = {});

  LoadedModel& base() { return base_; }
  Model& model() { return *base_.model; }
  /// The batch for the policy. Points to `rows`.
  Batch batch(const MicroBatch& rows, SequenceOrder order, BatchMaker::Pass pass);
  /// What a fixed tower gives for the pictures of these rows, as for a batch of them, is kept.
  void keep_features(const MicroBatch& rows) { maker_.keep_features(rows); }

  /// `routers`: where the model's mixtures of experts write down what they made of the batch.
  /// `learns_entropy`: the entropies have a graph too.
  LogProbs log_probs(const Batch& batch, double temperature = 1,
                     const std::shared_ptr<RouterNotes>& routers = {}, bool learns_entropy = false);
  /// Without a graph. Where no reference was given: an exception, for it is the caller's fault.
  LogProbs reference_log_probs(const Batch& batch, double temperature = 1);
  /// What the reference makes of the batch before its head, where the batch has labels; without a
  /// graph, and the reference must have been given.
  TeacherStates reference_states(const Batch& batch);
  /// Lets whoever stands behind the reference do something as itself.
  Status as_reference(const std::function<Status(const LoadedModel& reference)>& work);
  /// Whether what the policy's tower gives for a picture is what the reference's would.
  bool shares_tower() const { return tower_fixed_ && reference_ && !reference_->model; }
  /// Other sequences about the pictures of `shown`, the batch that was made last
  /// (BatchMaker::beside). Points to `rows`.
  Batch beside(const MicroBatch& rows, const Batch& shown) {
    return maker_.beside(rows, shown, pass_);
  }
  /// Of a batch and of one that was made beside it.
  std::pair<LogProbs, LogProbs> reference_log_probs_of_both(const Batch& batch,
                                                            const Batch& beside);
  /// From here on what was asked beforehand, which the objective has, is all that is known of the
  /// reference.
  void let_go_of_reference();
  /// Whether the batch that was made last is trained on.
  bool trains() const { return pass_ != BatchMaker::Pass::Evaluation; }

 private:
  /// Lets whoever stands behind the reference look at the batch as it takes it.
  void ask_reference(const Batch& batch,
                     const std::function<void(Model& model, const Batch& own)>& ask);
  LogProbs by_reference(const Batch& batch, double temperature, const Batch* beside,
                        LogProbs* of_beside);
  LogProbs of(Model& model, const ModelInput& input, const Batch& batch, double temperature,
              const std::shared_ptr<RouterNotes>& routers = {}, bool learns_entropy = false);

  LoadedModel& base_;
  std::shared_ptr<Adapter> adapter_;
  bool tower_fixed_;
  BatchMaker maker_;
  std::shared_ptr<Reference> reference_;
  std::unique_ptr<BatchMaker> reference_maker_;  ///< where its pictures go another way
  BatchMaker::Pass pass_ = BatchMaker::Pass::Training;
};

/// The tokens of any batch as the contract's `loss` verb writes them: input_ids, attention_mask and
/// completion_mask (where labels are) [sequences, longest], right-padded.
std::vector<std::pair<std::string, torch::Tensor>> padded_tokens(const Batch& batch);
/// What the contract's `loss` verb writes of any batch: input_ids, attention_mask, completion_mask,
/// token_logps [sequences, longest] (right-padded) and logps [sequences].
std::vector<std::pair<std::string, torch::Tensor>> padded(const LogProbs& probs,
                                                          const Batch& batch);

}  // namespace luthier
