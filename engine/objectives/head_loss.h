// SPDX-License-Identifier: GPL-3.0-or-later
// The output head where labels are: cross-entropy as a sum, and the log-probability of each
// labelled token. The vocabulary's logits exist for a chunk of rows at a time, forward and
// backward, never whole.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/batches/batch.h"
#include "engine/models/model.h"
#include "engine/objectives/chunk_gradient.h"

namespace luthier {

/// The states that predict labels.
struct LabelledStates {
  torch::Tensor hidden;  ///< [labels, hidden]
  torch::Tensor target;  ///< [labels] int64: the token that follows
  torch::Tensor places;  ///< [labels] int64: where the predicting token stands in the input
  torch::Tensor shares;  ///< [labels] float32, by which each counts; undefined: all do
};
/// The batch through a causal model's decoder → its last states at `places` ([n] int64, into the
/// batch's tokens): [n, hidden].
torch::Tensor states_at(Model& model, const ModelInput& input, const torch::Tensor& places,
                        const std::shared_ptr<RouterNotes>& routers = {});
/// The batch through the decoder; position t predicts the label at t + 1 of its own row.
LabelledStates labelled_states(Model& model, const ModelInput& input,
                               const std::shared_ptr<RouterNotes>& routers = {});

/// The sum of a loss over the rows of hidden [n, hidden], whose logits the head makes for `step`
/// rows at a time; its gradient is made with it. `shares` [n] float32 of 1 and 0, or undefined:
/// rows of a 0 get no gradient.
torch::Tensor chunked_loss(const torch::Tensor& hidden, const Linear& head, std::int64_t step,
                           const ChunkLoss& loss, const torch::Tensor& shares = {});

/// −log softmax(hidden Wᵀ + b)[target], summed. hidden [n, hidden], target [n] int64. `shares` [n]
/// float32 of 1 and 0, or undefined: rows of a 0 have no part in it.
torch::Tensor chunked_cross_entropy(const torch::Tensor& hidden, const Linear& head,
                                    const torch::Tensor& target, const torch::Tensor& shares = {});

/// Of each labelled token, all [labels] float32; only `log_probs` has a graph, and `entropy` where
/// it is asked for.
struct TokenValues {
  torch::Tensor log_probs;         ///< of the logits over the temperature
  torch::Tensor entropy;           ///< of the whole distribution, in nats
  torch::Tensor mean_logits;       ///< over the vocabulary
  torch::Tensor is_top1;           ///< 1 where the token is the likeliest one
  torch::Tensor log_sum_sq_probs;  ///< log Σ p²
};
TokenValues token_values(const torch::Tensor& hidden, const Linear& head,
                         const torch::Tensor& target, double temperature = 1,
                         bool learns_entropy = false);

/// A head with nothing on it, as it stood: plugs that are hung on it and modules_to_save that take
/// its weight's place afterwards are no part of it.
class BareHead {
 public:
  explicit BareHead(const LinearImpl& head)
      : weight_(head.weight), bias_(head.bias), softcap_(head.softcap) {}
  /// rows [n, hidden] → [n, vocab], outside autograd.
  torch::Tensor logits(const torch::Tensor& rows) const;

 private:
  Weight weight_;
  torch::Tensor bias_;
  double softcap_;
};

/// What a teacher makes of a batch: last states [labels, its hidden size] and its head.
struct TeacherStates {
  torch::Tensor hidden;
  BareHead head;
};

/// Of each row of hidden [n, hidden] how far its next-token distribution lies from the teacher's
/// for it, summed; only the sum has a graph, and none of the teacher.
struct HeadDivergence {
  torch::Tensor sum;      ///< [] float32
  torch::Tensor entropy;  ///< [n] float32, in nats; undefined unless asked for
};
HeadDivergence chunked_divergence(const torch::Tensor& hidden, const Linear& head,
                                  const TeacherStates& teacher, const Divergence& divergence,
                                  bool entropy = false);

}  // namespace luthier
