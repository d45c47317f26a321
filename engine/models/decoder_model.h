// SPDX-License-Identifier: GPL-3.0-or-later
// What every model has that ends in the causal decoder and its head: with a tower before it
// (tower_model.h), or by itself.
#pragma once

#include <memory>

#include "engine/models/cost.h"
#include "engine/models/family.h"

namespace luthier {

class DecoderModel : public Model, public Causal, public StepCosts {
 public:
  Causal* causal() override { return this; }
  const StepCosts* step_costs() const override { return this; }
  TokenSequence embed(const ModelInput& input) override;
  torch::Tensor decode(const TokenSequence& sequence, KeyValueCache* cache) override;
  Linear head() override { return head_; }
  std::int64_t num_hidden_layers() const override { return decoder_->options.num_hidden_layers; }
  const ExpertOptions* experts() const override {
    const auto& found = decoder_->options.experts;
    return found ? &*found : nullptr;
  }
  bool carries_states() const override { return decoder_->options.carries_states(); }
  bool forks() const override { return decoder_->forks(); }
  /// What the decoder alone has.
  ModelGeometry geometry() const override;
  PassCost cost(const Pass& pass) const override;
  bool takes_forks(const StepTerms& terms) const override;

 protected:
  /// Adds the stages before the decoder: the tokens' ids and labels, which stand through the step.
  virtual DecoderEntry add_entry_cost(const Pass& pass, PassCost& cost) const;
  /// Registers `body`, which holds the decoder or is it, as "model", and the head, which is the
  /// decoder's embedding where `tied`.
  void assemble(std::shared_ptr<torch::nn::Module> body, const Decoder& decoder, bool tied,
                const torch::TensorOptions& tensors);
  /// The same of modules that the family has registered under names of its own.
  void hold(const Decoder& decoder, Linear head);
  /// The head over a decoder's states, which is its embedding where `tied`.
  static Linear head_of(const Decoder& decoder, bool tied, const torch::TensorOptions& tensors);
  const Decoder& decoder() const { return decoder_; }
  /// Whether sequences have to say which tokens they are of (TokenSequence::ids).
  bool has_per_layer_embeddings() const;

 private:
  Decoder decoder_{nullptr};
  Linear head_{nullptr};
};

}  // namespace luthier
