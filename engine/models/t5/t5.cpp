// SPDX-License-Identifier: GPL-3.0-or-later
// T5 (Raffel et al. 2020), 1.0 and 1.1, as T5ForConditionalGeneration of transformers 5.17: two
// stacks over one table of words, which is the head, too, unless the files hold another one.
#include <cmath>

#include "engine/models/family.h"
#include "engine/models/t5/t5_stack.h"
#include "engine/nn/module_cost.h"

namespace luthier {

namespace t5 {

using torch::Tensor;

/// What prepare() sets aside.
constexpr const char* kAcross = "across";

class T5 : public Model, public SequenceToSequence, public StepCosts {
 public:
  T5(const Options& options, const torch::TensorOptions& t) : options_(options) {
    shared_ = register_module("shared", Embedding(options.vocab_size, options.d_model, t));
    encoder_ = register_module("encoder", std::make_shared<Stack>(options, /*decoder=*/false, t));
    decoder_ = register_module("decoder", std::make_shared<Stack>(options, /*decoder=*/true, t));
    lm_head_ =
        register_module("lm_head", options.tie_word_embeddings
                                       ? Linear(shared_->weight)
                                       : Linear(options.d_model, options.vocab_size, false, t));
  }

  SequenceToSequence* sequence_to_sequence() override { return this; }
  const StepCosts* step_costs() const override { return this; }

  void prepare(ModelInput& input) const override {
    Model::prepare(input);
    set_across_aside(RowLayout(input.lengths), RowLayout(input.source_lengths), input.aside,
                     kAcross);
  }

  RowStates encode(const ModelInput& input) override {
    RowLayout rows = source_layout(input);
    const Tensor states = encoder_->forward(shared_->forward(input.source_ids), rows, nullptr,
                                            nullptr, gradient_checkpointing_);
    return {states, std::move(rows)};
  }

  Tensor decode(const ModelInput& input, const RowStates& memory, KeyValueCache* cache) override {
    const RowLayout rows = row_layout(input);
    take_across_back(rows, memory.rows, input.aside, kAcross);
    const Tensor states = decoder_->forward(shared_->forward(input.input_ids), rows, &memory, cache,
                                            gradient_checkpointing_);
    if (cache) cache->advance(rows.longest());
    if (!options_.scaled_outputs) return states;
    return states * std::pow(static_cast<double>(options_.d_model), -0.5);
  }

  Linear head() override { return lm_head_; }
  TokenId start_token() const override { return options_.start; }
  std::int64_t decoder_layers() const override { return options_.num_decoder_layers; }

  PassCost cost(const Pass& pass) const override {
    const StepTerms& terms = pass.terms;
    std::int64_t source = 0;
    for (const std::int64_t length : pass.source_lengths) source += length;
    PassCost cost;
    Stage inputs;
    inputs.kept = 2 * terms.block(pass.tokens, 8) + terms.block(source, 8);
    inputs.moments = {{inputs.kept, 0}};
    cost.stages = {inputs};
    add_two_stacks(pass, shared_, /*before=*/false, *encoder_, *decoder_, cost.stages);

    const TrainedShare share = terms.of(*lm_head_);
    const bool tied = lm_head_->weight.shares(shared_->weight);
    cost.head = {options_.vocab_size, options_.d_model,
                 share.whole || (tied && terms.of(*shared_).whole), share.trains && !share.whole};
    return cost;
  }

  ModelGeometry geometry() const override {
    ModelGeometry g;
    g.vocab_size = options_.vocab_size, g.hidden_size = options_.d_model;
    g.num_hidden_layers = options_.num_layers + options_.num_decoder_layers;
    g.num_attention_heads = g.num_key_value_heads = options_.num_heads;
    g.head_dim = options_.d_kv;
    g.tied_embeddings = options_.tie_word_embeddings;
    return g;
  }

 private:
  Options options_;
  Embedding shared_{nullptr};
  std::shared_ptr<Stack> encoder_, decoder_;
  Linear lm_head_{nullptr};
};

Result<Plan> read(const Json& config, const std::filesystem::path& folder) {
  LUTHIER_TRY(const Options options, read_options(config, (folder / "config.json").string()));
  Plan plan;
  plan.build = builder<T5>(options);
  plan.form = RowForm::Source;
  plan.initializer_ranges = [options](const std::string& name) {
    return drawn_range(options, name);
  };
  return plan;
}

}  // namespace t5

extern const Family t5_family;
const Family t5_family{"t5",     /*takes_pictures=*/false, t5::read, same_name, same_name, nullptr,
                       t5::untie};

}  // namespace luthier
