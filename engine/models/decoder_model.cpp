// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/decoder_model.h"

namespace luthier {

void DecoderModel::assemble(std::shared_ptr<torch::nn::Module> body, const Decoder& decoder,
                            bool tied, const torch::TensorOptions& tensors) {
  register_module("model", std::move(body));
  hold(decoder, register_module("lm_head", head_of(decoder, tied, tensors)));
}

Linear DecoderModel::head_of(const Decoder& decoder, bool tied,
                             const torch::TensorOptions& tensors) {
  return tied ? Linear(decoder->embed_tokens->weight)
              : Linear(decoder->options.hidden_size, decoder->options.vocab_size, false, tensors);
}

void DecoderModel::hold(const Decoder& decoder, Linear head) {
  decoder_ = decoder;
  head_ = std::move(head);
  head_->softcap = decoder->options.final_softcap;
}

TokenSequence DecoderModel::embed(const ModelInput& input) {
  TokenSequence sequence;
  sequence.rows = row_layout(input);
  sequence.embeddings = decoder_->embed(input.input_ids);
  if (has_per_layer_embeddings()) sequence.ids = input.input_ids;
  return sequence;
}

bool DecoderModel::has_per_layer_embeddings() const {
  const auto& gemma4 = decoder_->options.gemma4;
  return gemma4 && gemma4->per_layer_width > 0;
}

torch::Tensor DecoderModel::decode(const TokenSequence& sequence, KeyValueCache* cache) {
  const torch::Tensor states = decoder_->forward(sequence, cache, gradient_checkpointing_);
  // The head has no bias: of scaled states it gives scaled logits.
  const double scale = decoder_->options.logit_scale;
  return scale == 1 ? states : states * scale;
}

ModelGeometry DecoderModel::geometry() const {
  ModelGeometry g;
  const DecoderOptions& text = decoder_->options;
  g.vocab_size = text.vocab_size, g.hidden_size = text.hidden_size;
  g.num_hidden_layers = text.num_hidden_layers, g.num_attention_heads = text.num_attention_heads;
  g.num_key_value_heads = text.num_key_value_heads, g.head_dim = text.head_dim;
  g.tied_embeddings = head_->weight.shares(decoder_->embed_tokens->weight);
  return g;
}

}  // namespace luthier
