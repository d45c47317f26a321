// SPDX-License-Identifier: GPL-3.0-or-later
// GPT-2 (Radford et al. 2019) as GPT2LMHeadModel of transformers 5.17: a stack that looks back only
// and a head, which is its table of words unless the files hold another one.
#include "engine/models/family.h"
#include "engine/models/gpt2/gpt2_stack.h"
#include "engine/nn/module_cost.h"

namespace luthier {

namespace gpt2 {

using torch::Tensor;

class Gpt2 : public Model, public Causal, public StepCosts {
 public:
  Gpt2(const Options& o, const torch::TensorOptions& t) : options_(o) {
    stack_ = register_module("transformer", std::make_shared<Stack>(o, t));
    lm_head_ = register_module("lm_head", o.tie_word_embeddings
                                              ? Linear(stack_->wte->weight)
                                              : Linear(o.n_embd, o.vocab_size, false, t));
  }

  Causal* causal() override { return this; }
  const StepCosts* step_costs() const override { return this; }

  TokenSequence embed(const ModelInput& input) override {
    TokenSequence sequence;
    sequence.rows = row_layout(input);
    sequence.embeddings = stack_->words(input.input_ids);
    return sequence;
  }

  Tensor decode(const TokenSequence& sequence, KeyValueCache* cache) override {
    return stack_->forward(sequence.embeddings, sequence.rows, nullptr, cache,
                           gradient_checkpointing_, sequence.own);
  }

  Linear head() override { return lm_head_; }
  std::int64_t num_hidden_layers() const override { return options_.n_layer; }

  PassCost cost(const Pass& pass) const override {
    const StepTerms& terms = pass.terms;
    const TrainedShare words = terms.of(*stack_->wte), head = terms.of(*lm_head_);
    PassCost cost;
    Stage inputs;
    inputs.kept = 2 * terms.block(pass.tokens, 8);  // ids and labels
    inputs.moments = {{inputs.kept, words.whole ? terms.block(stack_->wte->weight.numel()) : 0}};
    inputs.gradients = words.parameters * terms.gradient_element;
    cost.stages = {inputs};
    StackPass through;
    through.tokens = pass.tokens;
    through.rows = pass.rows;
    bool flows = words.trains;
    stack_->add_cost(terms, through, pass.asked > 0 ? pass.asked : pass.tokens, flows, cost.stages);
    cost.head.vocabulary = options_.vocab_size, cost.head.width = options_.n_embd;
    cost.head.chosen = true;
    cost.head.weight_gradient =
        head.whole || (lm_head_->weight.shares(stack_->wte->weight) && words.whole);
    cost.head.plugged = head.trains && !head.whole;
    cost.head.scaled = cost.head.plugged && !head.keeps_input;
    cost.head.plug_numbers = cost.head.plugged ? head.parameters : 0;
    return cost;
  }

  ModelGeometry geometry() const override {
    ModelGeometry g;
    g.vocab_size = options_.vocab_size, g.hidden_size = options_.n_embd;
    g.num_hidden_layers = options_.n_layer;
    g.num_attention_heads = g.num_key_value_heads = options_.n_head;
    g.head_dim = options_.n_embd / options_.n_head;
    g.tied_embeddings = options_.tie_word_embeddings;
    return g;
  }

 private:
  Options options_;
  std::shared_ptr<Stack> stack_;
  Linear lm_head_{nullptr};
};

Result<Plan> read(const Json& config, const std::filesystem::path& folder) {
  const std::string where = (folder / "config.json").string();
  LUTHIER_TRY(const Options options, read_options(config, where));
  if (options.across) {
    return input_error("A GPT-2 that looks across to an encoder's states is not one by itself.",
                       where + ": add_cross_attention",
                       "Load the model of type vision-encoder-decoder that it is the decoder of.");
  }
  Plan plan;
  plan.build = builder<Gpt2>(options);
  plan.initializer_range = options.initializer_range;
  plan.initializer_ranges = [options](const std::string& name) {
    return drawn_range(options, name);
  };
  plan.longest_row = options.n_positions;
  return plan;
}

/// Files of the stack saved without its head, as the first ones are, lack the "transformer.".
std::string memory_name(const std::string& stored) {
  for (const char* own : {"wte.", "wpe.", "h.", "ln_f."}) {
    if (stored.starts_with(own)) return "transformer." + stored;
  }
  return stored;
}

}  // namespace gpt2

extern const Family gpt2_family;
const Family gpt2_family = [] {
  Family family{"gpt2", /*takes_pictures=*/false, gpt2::read, gpt2::memory_name, same_name};
  family.may_be_turned = gpt2::is_turned_name;
  return family;
}();

}  // namespace luthier
