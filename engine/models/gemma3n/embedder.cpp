// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/gemma3n/embedder.h"

#include <cmath>

#include "engine/models/config_numbers.h"
#include "engine/nn/module_cost.h"
#include "engine/nn/rms_norm.h"

namespace luthier {

using torch::Tensor;

Status read_media_options(const Json& config, const std::string& where, MediaOptions& o) {
  LUTHIER_TRY(o.width, json_int(config, "hidden_size", where, o.width));
  LUTHIER_CHECK(in_range(o.width, 1, 1 << 16, where, "hidden_size"));
  LUTHIER_TRY(o.vocabulary, json_int(config, "vocab_size", where, o.vocabulary));
  LUTHIER_CHECK(in_range(o.vocabulary, 1, 1 << 24, where, "vocab_size"));
  LUTHIER_TRY(o.first, json_int(config, "vocab_offset", where, o.first));
  LUTHIER_CHECK(in_range(o.first, 0, 1 << 24, where, "vocab_offset"));
  LUTHIER_TRY(o.rms_norm_eps, json_number(config, "rms_norm_eps", where, o.rms_norm_eps));
  if (!(o.rms_norm_eps >= 0) || !std::isfinite(o.rms_norm_eps))
    return input_error("A number of 0 or more is expected.", where + ": rms_norm_eps");
  return {};
}

MediaEmbedder::MediaEmbedder(const MediaOptions& o, std::int64_t text_width,
                             const torch::TensorOptions& t)
    : options_(o) {
  const auto norm = [&](const char* name) {
    return register_module(name,
                           RmsNorm(o.width, o.rms_norm_eps, t, /*centred=*/false, /*once=*/true));
  };
  embedding_ = register_module("embedding", Embedding(o.vocabulary, o.width, t));
  hard_embedding_norm_ = norm("hard_embedding_norm");
  soft_embedding_norm_ = norm("soft_embedding_norm");
  embedding_projection_ =
      register_module("embedding_projection", Linear(o.width, text_width, /*bias=*/false, t));
}

Tensor MediaEmbedder::led_on(const Tensor& normal) const {
  return unweighted_rms_norm(embedding_projection_->forward(normal), options_.rms_norm_eps);
}

Tensor MediaEmbedder::soft(const Tensor& features) const {
  return led_on(soft_embedding_norm_->forward(features));
}

Tensor MediaEmbedder::placed(const Tensor& embeddings, const Tensor& ids, std::int64_t most) const {
  // All tokens go through, the others as its last: which are its own is then no question to the
  // device, and the cost is small beside the decoder's.
  const Tensor own = (ids >= options_.first).logical_and_(ids <= most);
  const Tensor rows =
      ids.sub(options_.first).masked_fill_(own.logical_not(), options_.vocabulary - 1);
  const Tensor made = led_on(hard_embedding_norm_->forward(embedding_->forward(rows)));
  return at::where(own.unsqueeze(1), made.to(embeddings.scalar_type()), embeddings);
}

bool MediaEmbedder::trains(const StepTerms& terms) const {
  return trained_within(terms, *this).trains;
}

std::int64_t MediaEmbedder::placed_kept(const StepTerms& terms, std::int64_t tokens) const {
  if (!trains(terms)) return 0;
  const ProductsCost product = products_cost(terms, {embedding_projection_}, tokens);
  const std::int64_t out = embedding_projection_->out_features();
  return norm_kept(terms, hard_embedding_norm_, tokens) + product.input + product.numbers +
         terms.block(tokens * out) + terms.floats(tokens) + terms.block(tokens, 8) +
         terms.block(tokens, 1);
}

ProjectorCost MediaEmbedder::cost(const StepTerms& terms, std::int64_t features, bool flows) const {
  const TrainedShare share = terms.of(*embedding_projection_);
  const bool normed = flows || terms.of(*soft_embedding_norm_).trains;
  ProjectorCost cost;
  cost.trains = share.trains || terms.of(*soft_embedding_norm_).trains;
  if (normed) cost.kept += norm_kept(terms, soft_embedding_norm_, features);
  const ProductsCost product = products_cost(terms, {embedding_projection_}, features);
  cost.kept += product.input + product.numbers;
  if (normed || share.trains)
    cost.kept +=
        terms.block(features * embedding_projection_->out_features()) + terms.floats(features);
  return cost;
}

}  // namespace luthier
