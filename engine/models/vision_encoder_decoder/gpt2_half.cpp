// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/gpt2/gpt2_stack.h"
#include "engine/models/vision_encoder_decoder/written_half.h"
#include "engine/nn/module_cost.h"

namespace luthier::captioner {

namespace {

class Gpt2Half : public WrittenHalf {
 public:
  Gpt2Half(const gpt2::Options& o, bool tied, const torch::TensorOptions& t) : options_(o) {
    stack_ = register_module("transformer", std::make_shared<gpt2::Stack>(o, t));
    lm_head_ = register_module(
        "lm_head", tied ? Linear(stack_->wte->weight) : Linear(o.n_embd, o.vocab_size, false, t));
  }
  torch::Tensor forward(const torch::Tensor& ids, const RowLayout& rows, const RowStates& memory,
                        KeyValueCache* cache, bool checkpointing) override {
    return stack_->forward(stack_->words(ids), rows, &memory, cache, checkpointing);
  }
  Linear head() const override { return lm_head_; }
  const Embedding& words() const override { return stack_->wte; }

  HeadCost add_cost(const StepTerms& terms, const StackPass& pass, Stage& inputs,
                    std::vector<Stage>& stages) const override {
    const TrainedShare words = terms.of(*stack_->wte), head = terms.of(*lm_head_);
    if (words.whole) inputs.moments.front().work = terms.block(stack_->wte->weight.numel());
    inputs.gradients = words.parameters * terms.gradient_element;
    bool flows = words.trains;
    stack_->add_cost(terms, pass, pass.tokens, flows, stages);
    return {options_.vocab_size, options_.n_embd,
            head.whole || (lm_head_->weight.shares(stack_->wte->weight) && words.whole),
            head.trains && !head.whole};
  }

 private:
  gpt2::Options options_;
  std::shared_ptr<gpt2::Stack> stack_;
  Linear lm_head_{nullptr};
};

}  // namespace

Result<WrittenOptions> read_gpt2_half(const Json& config, const std::string& where) {
  LUTHIER_TRY(const gpt2::Options o, gpt2::read_options(config, where));
  if (!o.across)
    return input_error("The decoder does not look across to pictures.",
                       where + ": add_cross_attention", "It must be true.");
  WrittenOptions made{o.vocab_size, o.n_embd,      o.n_layer,
                      o.n_head,     o.n_positions, o.tie_word_embeddings};
  made.build = [o](bool tied, const torch::TensorOptions& t) {
    return std::shared_ptr<WrittenHalf>(std::make_shared<Gpt2Half>(o, tied, t));
  };
  made.drawn_range = [o](const std::string& name) { return gpt2::drawn_range(o, name); };
  return made;
}

}  // namespace luthier::captioner
