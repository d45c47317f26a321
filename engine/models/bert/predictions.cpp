// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/bert/predictions.h"

#include "engine/models/bert/named_parts.h"
#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

/// The vocabulary's bias, which files have beside the product that adds it.
class WordBias : public ParameterModule {
 public:
  WordBias(std::int64_t words, const torch::TensorOptions& t) {
    add_parameter("bias", bias, {words}, t);
  }
  std::string type_name() const override { return "Parameter"; }
  Tensor bias;
};

/// A tied product with a bias of its own.
class BiasedHead : public LinearImpl {
 public:
  BiasedHead(const Tensor& owner, const torch::TensorOptions& t) : LinearImpl(owner) {
    add_parameter("bias", bias, {owner.size(0)}, t);
  }
};

}  // namespace

Predictions::Predictions(torch::nn::Module& model, const PredictionNames& names,
                         const PredictionSizes& sizes, const Embedding& words,
                         const torch::TensorOptions& t)
    : activation_(sizes.activation) {
  // First, so that what stands beside it in the files finds it there.
  std::shared_ptr<WordBias> own;
  if (names.bias) own = register_at(model, names.bias, std::make_shared<WordBias>(sizes.words, t));
  dense_ = register_at(model, names.dense, Linear(sizes.hidden, sizes.width, true, t));
  norm_ = register_at(model, names.norm, LayerNorm(sizes.width, sizes.layer_norm_eps, t));
  if (!sizes.tied && sizes.bias_beside) {
    decoder = Linear(sizes.width, sizes.words, false, t);
    decoder->bias = own->bias;
  } else if (!sizes.tied) {
    // A head of its own has a bias of its own, and the other one is there for nothing.
    decoder = Linear(sizes.width, sizes.words, true, t);
  } else if (own) {
    decoder = Linear(words->weight);
    decoder->bias = own->bias;
  } else {
    decoder = Linear(std::shared_ptr<LinearImpl>(std::make_shared<BiasedHead>(words->weight, t)));
  }
  register_at(model, names.decoder, decoder);
}

Stage Predictions::cost(const StepTerms& terms, std::int64_t labels, bool flows) const {
  const ProductsCost dense = products_cost(terms, {dense_}, labels);
  const std::int64_t state = terms.block(labels * dense_->out_features());
  Stage stage;
  stage.kept = dense.input + dense.numbers;
  if (flows || dense.trains) stage.kept += state;
  if (flows || dense.trains || terms.of(*norm_).trains)
    stage.kept += norm_kept(terms, norm_, labels);
  stage.moments = {{stage.kept, 2 * state}};
  stage.gradients =
      (terms.of(*dense_).parameters + terms.of(*norm_).parameters) * terms.gradient_element;
  return stage;
}

HeadCost Predictions::head_cost(const StepTerms& terms, const Embedding& words) const {
  const TrainedShare share = terms.of(*decoder);
  const bool tied = decoder->weight.shares(words->weight);
  return {decoder->out_features(), decoder->in_features(),
          share.whole || (tied && terms.of(*words).whole), share.trains && !share.whole};
}

}  // namespace luthier
