// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/idefics/own_words.h"

namespace luthier {

using torch::Tensor;

IdeficsDecoderImpl::IdeficsDecoderImpl(const DecoderOptions& o, const GateOptions& gates,
                                       std::int64_t interval, std::int64_t words,
                                       const torch::TensorOptions& tensors)
    : DecoderImpl(o, tensors) {
  if (words > 0)
    additional_ = embed_tokens->register_module("additional_embedding",
                                                Embedding(words, o.hidden_size, tensors));
  torch::nn::ModuleList list;
  const auto layers = named_children()["layers"]->children();
  for (std::int64_t i = 0; i < o.num_hidden_layers; i += interval) {
    const GatedLayer gated(o, gates, i, tensors);
    list->push_back(gated);
    std::dynamic_pointer_cast<IdeficsLayerImpl>(layers.at(static_cast<std::size_t>(i)))
        ->put_before(gated);
  }
  register_module("gated_cross_attn_layers", list);
}

Tensor IdeficsDecoderImpl::embed(const Tensor& ids) const {
  if (!additional_) return DecoderImpl::embed(ids);
  const std::int64_t own = options.vocab_size;
  const Tensor beside = (ids >= own).unsqueeze(-1);
  const Tensor words = DecoderImpl::embed(ids.masked_fill(ids >= own, 0)),
               others = additional_->forward((ids - own).clamp_min(0));
  return at::where(beside, others, words);
}

}  // namespace luthier
