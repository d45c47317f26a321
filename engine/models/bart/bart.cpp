// SPDX-License-Identifier: GPL-3.0-or-later
// BART (Lewis et al. 2020) and mBART (Liu et al. 2020) as BartForConditionalGeneration and
// MBartForConditionalGeneration of transformers 5.17: both stacks, a head that is their table of
// words unless the files hold another one, and a bias on the logits that is stored and not trained.
#include <numeric>

#include "engine/models/bart/bart_stack.h"
#include "engine/models/family.h"

namespace luthier {

namespace bart {

using torch::Tensor;

/// What prepare() sets aside.
constexpr const char* kAcross = "across";

struct WholeOptions : Options {
  bool tie_word_embeddings = true;  ///< the head is the table of words
};

class Bart : public Model, public SequenceToSequence, public StepCosts {
 public:
  Bart(const WholeOptions& o, const torch::TensorOptions& t) : options_(o) {
    body_ = register_module("model", std::make_shared<Body>(o, t));
    lm_head_ = register_module("lm_head", o.tie_word_embeddings
                                              ? Linear(body_->shared->weight)
                                              : Linear(o.d_model, o.vocab_size, false, t));
    add_fixed("final_logits_bias", bias_, {1, o.vocab_size}, 0, t);
  }

  SequenceToSequence* sequence_to_sequence() override { return this; }
  const StepCosts* step_costs() const override { return this; }

  void prepare(ModelInput& input) const override {
    Model::prepare(input);
    set_across_aside(RowLayout(input.lengths), RowLayout(input.source_lengths), input.aside,
                     kAcross);
  }

  RowStates encode(const ModelInput& input) override {
    return body_->encode(body_->words(input.source_ids), source_layout(input),
                         gradient_checkpointing_);
  }

  Tensor decode(const ModelInput& input, const RowStates& memory, KeyValueCache* cache) override {
    const RowLayout rows = row_layout(input);
    take_across_back(rows, memory.rows, input.aside, kAcross);
    return body_->decode(input.input_ids, rows, memory, cache, gradient_checkpointing_);
  }

  /// Who loads or places tensors may have put another one in the place of the bias.
  Linear head() override {
    lm_head_->bias = bias_.view({options_.vocab_size});
    return lm_head_;
  }
  TokenId start_token() const override { return options_.start; }
  std::int64_t decoder_layers() const override { return options_.decoder.layers; }

  PassCost cost(const Pass& pass) const override {
    const StepTerms& terms = pass.terms;
    const std::int64_t source =
        std::accumulate(pass.source_lengths.begin(), pass.source_lengths.end(), std::int64_t{0});
    PassCost cost;
    Stage inputs;
    inputs.kept = 2 * terms.block(pass.tokens, 8) + terms.block(source, 8);
    inputs.moments = {{inputs.kept, 0}};
    cost.stages = {inputs};
    body_->add_cost(pass, /*before=*/false, cost);
    cost.head = body_->head_cost(terms, lm_head_);
    return cost;
  }

  ModelGeometry geometry() const override {
    ModelGeometry g;
    g.vocab_size = options_.vocab_size, g.hidden_size = options_.d_model;
    g.num_hidden_layers = options_.encoder.layers + options_.decoder.layers;
    g.num_attention_heads = g.num_key_value_heads = options_.decoder.heads;
    g.head_dim = options_.d_model / options_.decoder.heads;
    g.tied_embeddings = options_.tie_word_embeddings;
    return g;
  }

 private:
  WholeOptions options_;
  std::shared_ptr<Body> body_;
  Linear lm_head_{nullptr};
  Tensor bias_;
};

Plan plan_of(const WholeOptions& options) {
  Plan plan;
  plan.build = builder<Bart>(options);
  plan.form = RowForm::Source;
  plan.initializer_range = options.init_std;
  plan.longest_row = options.max_position_embeddings;
  return plan;
}

Result<Plan> read(const Json& config, const std::filesystem::path& folder) {
  WholeOptions options;
  LUTHIER_TRY(static_cast<Options&>(options),
              read_options(config, (folder / "config.json").string()));
  return plan_of(options);
}

/// mBART's rows begin with the language that they are written in. What an answer begins with is the
/// generation's to say, and <s> where nothing says it.
Result<TokenId> read_start(const Json& config, const std::filesystem::path& folder) {
  const std::filesystem::path generation = folder / "generation_config.json";
  std::error_code ignored;
  const auto names = [](const Json& from) {
    const auto found = from.find("decoder_start_token_id");
    return found != from.end() && !found->is_null();
  };
  if (std::filesystem::exists(generation, ignored)) {
    LUTHIER_TRY(const Json settings, read_json_file(generation));
    if (settings.is_object() && names(settings))
      return json_int(settings, "decoder_start_token_id", generation.string());
  }
  const std::string where = (folder / "config.json").string();
  if (names(config)) return json_int(config, "decoder_start_token_id", where);
  return json_int(config, "bos_token_id", where, 0);
}

Result<Plan> read_mbart(const Json& config, const std::filesystem::path& folder) {
  Json filled = config;
  LUTHIER_TRY(filled["decoder_start_token_id"], read_start(config, folder));
  WholeOptions options;
  LUTHIER_TRY(static_cast<Options&>(options),
              read_options(filled, (folder / "config.json").string()));
  options.pre_norm = true;
  return plan_of(options);
}

/// Files of the two stacks alone, as the first ones are, lack the "model.".
std::string memory_name(const std::string& stored) {
  for (const char* own : {"shared.", "encoder.", "decoder."}) {
    if (stored.starts_with(own)) return "model." + stored;
  }
  return stored;
}

/// That the head is its own is seen in the files; config.json speaks of all three tables.
void leave_config(Json&) {}

}  // namespace bart

extern const Family bart_family;
const Family bart_family{"bart",
                         /*takes_pictures=*/false,
                         bart::read,
                         bart::memory_name,
                         same_name,
                         nullptr,
                         bart::leave_config};
extern const Family mbart_family;
const Family mbart_family{"mbart",
                          /*takes_pictures=*/false,
                          bart::read_mbart,
                          bart::memory_name,
                          same_name,
                          nullptr,
                          bart::leave_config};

}  // namespace luthier
