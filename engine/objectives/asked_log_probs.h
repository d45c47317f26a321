// SPDX-License-Identifier: GPL-3.0-or-later
// What a reference said of all rows before the first step, in memory: the log-probability of each
// labelled token, by the row's number in its dataset.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "engine/io/json.h"
#include "engine/objectives/policy.h"

namespace luthier {

class AskedLogProbs {
 public:
  /// Of these rows, by the policy's reference: what take() takes, at whichever process.
  static Json ask(Policy& policy, const MicroBatch& rows, SequenceOrder order);
  /// Throws what the JSON library does where it is no such answer.
  void take(const Json& said, bool evaluation);
  /// Of the batch's labels, on its device. An exception where nobody was asked about a row.
  LogProbs of(const Batch& batch, bool evaluation) const;

 private:
  /// [labels] of each of a row's sequences, by the row.
  using Rows = std::unordered_map<std::int64_t, std::vector<torch::Tensor>>;
  Rows training_, evaluation_;
};

}  // namespace luthier
