// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/gemma4/per_layer.h"

#include <cmath>
#include <numbers>

#include "engine/models/decoder.h"
#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

PerLayerEmbeddings::PerLayerEmbeddings(torch::nn::Module& holder, const DecoderOptions& o,
                                       const torch::TensorOptions& tensors)
    : layers_(o.num_hidden_layers),
      tokens_(o.vocab_size),
      width_(o.gemma4->per_layer_width),
      scale_(std::sqrt(static_cast<double>(width_))),
      context_scale_(1 / std::sqrt(static_cast<double>(o.hidden_size))) {
  embed_tokens_per_layer_ =
      holder.register_module("embed_tokens_per_layer",
                             Embedding(o.gemma4->per_layer_vocabulary, layers_ * width_, tensors));
  embed_tokens_per_layer_->padding = o.gemma4->padding;
  per_layer_model_projection_ =
      holder.register_module("per_layer_model_projection",
                             Linear(o.hidden_size, layers_ * width_, /*bias=*/false, tensors));
  per_layer_projection_norm_ = holder.register_module(
      "per_layer_projection_norm",
      RmsNorm(width_, o.rms_norm_eps, tensors, /*centred=*/false, /*once=*/true));
}

std::vector<Tensor> PerLayerEmbeddings::forward(const Tensor& ids, const Tensor& embeddings) const {
  // Tokens that the table does not have (Gemma 3n's marks of pictures) are looked up as its first.
  const std::int64_t known = embed_tokens_per_layer_->weight.size(0);
  const Tensor found =
      embed_tokens_per_layer_->forward(known < tokens_ ? ids.masked_fill(ids >= known, 0) : ids);
  // The scale has the weights' precision, as that of the embedding before all layers.
  const Tensor own = (found * torch::full({}, scale_, found.options().requires_grad(false)))
                         .reshape({-1, layers_, width_});
  const Tensor context = (per_layer_model_projection_->forward(embeddings) * context_scale_)
                             .reshape({-1, layers_, width_});
  // Apart in one piece: each alone would have a gradient as large as all.
  return ((per_layer_projection_norm_->forward(context) + own) * (1 / std::numbers::sqrt2))
      .unbind(1);
}

bool PerLayerEmbeddings::flow(const StepTerms& terms, bool flows) const {
  return flows || terms.of(*embed_tokens_per_layer_).trains ||
         terms.of(*per_layer_model_projection_).trains ||
         terms.of(*per_layer_projection_norm_).trains;
}

std::int64_t PerLayerEmbeddings::work(const StepTerms& terms, std::int64_t tokens) const {
  // Each layer's by itself, all in one, and those of the sum's sides.
  return 3 * terms.block(tokens * layers_ * width_);
}

std::int64_t PerLayerEmbeddings::kept(const StepTerms& terms, std::int64_t tokens,
                                      bool flows) const {
  const std::int64_t all = terms.block(tokens * layers_ * width_);
  const ProductsCost product = products_cost(terms, {per_layer_model_projection_}, tokens);
  std::int64_t bytes = all + product.numbers + (flows ? 0 : product.input);
  if (flows || product.trains || terms.of(*per_layer_projection_norm_).trains)
    bytes += norm_kept(terms, per_layer_projection_norm_, tokens * layers_);
  return bytes;
}

}  // namespace luthier
