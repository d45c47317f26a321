// SPDX-License-Identifier: GPL-3.0-or-later
// What brings the tokens of a row together in a decoder's layer: attention to all of them, or a
// state that is carried past them.
#pragma once

#include <cstdint>

#include "engine/nn/plugs.h"

namespace luthier {

class KeyValueCache;
struct AttentionBranchCost;
struct RotaryTable;
struct RowsShape;
struct StepTerms;
struct TokenSequence;

class TokenMixer : public BranchPort {
 public:
  explicit TokenMixer(std::int64_t hidden_size) : BranchPort(Kind::Attention, hidden_size) {}
  virtual ~TokenMixer() = default;
  /// [tokens, hidden] → [own tokens, hidden]; of `sequence` all but the embeddings.
  virtual torch::Tensor forward(const torch::Tensor& x, const TokenSequence& sequence,
                                const RotaryTable& rotary, KeyValueCache* cache) = 0;
  /// `asked`: how many own tokens there are.
  virtual AttentionBranchCost cost(const StepTerms& terms, const RowsShape& rows,
                                   std::int64_t tokens, std::int64_t asked, bool flows) const = 0;
  /// Tokens that a plug puts before each row as keys and values alone.
  virtual std::int64_t count_before() const { return 0; }
};

}  // namespace luthier
