// SPDX-License-Identifier: GPL-3.0-or-later
// Words that stand beside a decoder's own (IdeficsDecoupledEmbedding and IdeficsDecoupledLinear of
// transformers 5.17): the table and the head have rows of their own for them, in tensors of their
// own, and their ids and logits come behind the others'.
#pragma once

#include "engine/models/decoder.h"
#include "engine/models/idefics/gated_layer.h"

namespace luthier {

/// The head as it gives the logits of all words: it hangs there as long as the model lives.
class AllWords : public LinearPlug {
 public:
  explicit AllWords(Linear additional) : additional_(std::move(additional)) {}
  torch::Tensor forward(const torch::Tensor& x, const LinearImpl& linear) const override {
    return at::cat({linear.product(x), additional_->forward(x)}, -1);
  }
  bool row_by_row() const override { return additional_->row_by_row(); }

 private:
  Linear additional_;
};

/// The decoder, which the tower, the resampler and the gated layers are modules of.
class IdeficsDecoderImpl : public DecoderImpl {
 public:
  /// `words`: how many there are beside the decoder's own.
  IdeficsDecoderImpl(const DecoderOptions& options, const GateOptions& gates, std::int64_t interval,
                     std::int64_t words, const torch::TensorOptions& tensors);
  torch::Tensor embed(const torch::Tensor& ids) const override;
  const Embedding& additional() const { return additional_; }  ///< null: there are none

 private:
  Embedding additional_{nullptr};
};

}  // namespace luthier
