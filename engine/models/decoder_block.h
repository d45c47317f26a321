// SPDX-License-Identifier: GPL-3.0-or-later
// A layer of the decoder, as the decoder sees it.
#pragma once

#include <cstdint>

#include "engine/device/torch.h"

namespace luthier {

class KeyValueCache;
struct LayerCost;
struct RotaryTable;
struct RowsShape;
struct StepTerms;
struct TokenSequence;

class DecoderBlock {
 public:
  virtual ~DecoderBlock() = default;
  /// x [tokens, hidden] → [own tokens, hidden]: all are there as keys and values, and what comes
  /// behind attention is made for those alone.
  virtual torch::Tensor forward(const torch::Tensor& x, const TokenSequence& sequence,
                                const RotaryTable& rotary, KeyValueCache* cache) = 0;
  /// Whether it can be: nothing in it looks at more than the row that it is given.
  virtual bool narrows() const = 0;
  /// `asked`: how many own tokens there are; `flows`: a gradient is wanted below the layer.
  virtual LayerCost cost(const StepTerms& terms, const RowsShape& rows, std::int64_t tokens,
                         std::int64_t asked, bool flows) const = 0;
  /// Tokens that a plug puts before each row as keys and values alone.
  virtual std::int64_t count_before() const { return 0; }
  virtual const torch::nn::Module& module() const = 0;
};

/// Whether what this module and all below it make of a row goes by that row alone, with what hangs
/// on them.
bool rows_alone(const torch::nn::Module& module);

/// Of what there is of each token, what is asked for.
torch::Tensor own_rows(const torch::Tensor& of_tokens, const TokenSequence& sequence);

}  // namespace luthier
