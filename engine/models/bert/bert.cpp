// SPDX-License-Identifier: GPL-3.0-or-later
// BERT (Devlin et al. 2019) as BertForMaskedLM of transformers 5.17: sums of three tables, layers
// whose norms come after their branches, and a head that shares the table of words.
#include <array>

#include "engine/models/blocks/branches.h"
#include "engine/models/config_numbers.h"
#include "engine/models/cost.h"
#include "engine/models/families.h"
#include "engine/nn/checkpointing.h"
#include "engine/nn/layers.h"
#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

struct BertOptions {
  std::int64_t vocab_size = 30522, hidden_size = 768, intermediate_size = 3072;
  std::int64_t num_hidden_layers = 12, num_attention_heads = 12;
  std::int64_t max_position_embeddings = 512, type_vocab_size = 2;
  double layer_norm_eps = 1e-12, initializer_range = 0.02;
  Activation hidden_act = Activation::Gelu;
  bool tie_word_embeddings = true;
};

class Part : public torch::nn::Module {};

class Embeddings : public torch::nn::Module {
 public:
  Embeddings(const BertOptions& o, const torch::TensorOptions& t) {
    words = register_module("word_embeddings", Embedding(o.vocab_size, o.hidden_size, t));
    positions_ = register_module("position_embeddings",
                                 Embedding(o.max_position_embeddings, o.hidden_size, t));
    types_ =
        register_module("token_type_embeddings", Embedding(o.type_vocab_size, o.hidden_size, t));
    norm_ = register_module("LayerNorm", LayerNorm(o.hidden_size, o.layer_norm_eps, t));
  }

  Tensor forward(const Tensor& ids, const RowLayout& rows) const {
    TORCH_CHECK(rows.longest() <= positions_->weight.size(0), "a row of ", rows.longest(),
                " tokens is longer than the model's ", positions_->weight.size(0), " positions");
    const Tensor sum = words->forward(ids) + types_->forward(torch::zeros_like(ids));
    return norm_->forward(sum + positions_->forward(rows.positions(ids.device())));
  }

  Stage cost(const StepTerms& terms, std::int64_t tokens) const {
    Stage stage;
    const TrainedShare share = trained_within(terms, *this);
    if (share.trains) stage.kept = norm_kept(terms, norm_, tokens);
    stage.moments = {{stage.kept, 2 * terms.block(tokens * norm_->weight.size(0))}};
    stage.gradients = share.parameters * terms.gradient_element;
    return stage;
  }

  Embedding words{nullptr};

 private:
  Embedding positions_{nullptr}, types_{nullptr};
  LayerNorm norm_{nullptr};
};

class Layer : public torch::nn::Module {
 public:
  Layer(const BertOptions& o, const torch::TensorOptions& t)
      : heads_(o.num_attention_heads), activation_(o.hidden_act) {
    const auto part = [&](torch::nn::Module& owner, const char* name) {
      return owner.register_module(name, std::make_shared<Part>());
    };
    const auto linear = [&](torch::nn::Module& owner, const char* name, std::int64_t in,
                            std::int64_t out) {
      return owner.register_module(name, Linear(in, out, true, t));
    };
    const auto norm = [&](torch::nn::Module& owner) {
      return owner.register_module("LayerNorm", LayerNorm(o.hidden_size, o.layer_norm_eps, t));
    };
    const auto attention = part(*this, "attention");
    const auto self = part(*attention, "self");
    const std::int64_t width = o.hidden_size;
    const auto made = neighbouring_linears(width, {width, width, width}, true, t);
    query_ = self->register_module("query", made[0]);
    key_ = self->register_module("key", made[1]);
    value_ = self->register_module("value", made[2]);
    const auto mixed = part(*attention, "output");
    mixed_ = linear(*mixed, "dense", o.hidden_size, o.hidden_size);
    mixed_norm_ = norm(*mixed);
    wide_ = linear(*part(*this, "intermediate"), "dense", o.hidden_size, o.intermediate_size);
    const auto narrow = part(*this, "output");
    narrow_ = linear(*narrow, "dense", o.intermediate_size, o.hidden_size);
    narrow_norm_ = norm(*narrow);

    AttentionRule both_ways;
    both_ways.causal = false;
    branches_ = {{Branch::Norm::After, [this](const Tensor& x) { return mixed_norm_(x); },
                  [this, both_ways](const Tensor& x, const LayerFrame& frame) {
                    return attend_within(x, frame, query_, key_, value_, mixed_, heads_, both_ways);
                  }},
                 {Branch::Norm::After, [this](const Tensor& x) { return narrow_norm_(x); },
                  [this](const Tensor& x, const LayerFrame&) {
                    return narrow_(activate(wide_(x), activation_));
                  }}};
  }

  Tensor forward(const Tensor& x, const LayerFrame& frame) const {
    return run_branches(branches_, x, frame);
  }

  /// A branch's norm keeps the sum that comes after it.
  LayerCost cost(const StepTerms& terms, const RowsShape& rows, std::int64_t tokens,
                 bool flows) const {
    LayerCost cost;
    cost.share = trained_within(terms, *this);
    const std::int64_t width = query_->in_features(), state = terms.block(tokens * width);
    const AttentionCost core =
        attention_cost(terms, rows, heads_, heads_, query_->out_features() / heads_);
    if (!flows && !cost.share.trains) {
      // Nothing is kept; what its forward needs stands where its backward would.
      cost.attention_work = core.kept + core.kept / 2 + 4 * state;
      cost.mlp_work = 2 * terms.block(tokens * wide_->out_features()) + 4 * state;
      return cost;
    }
    const AttentionBranchCost attention =
        attention_branch_cost(terms, {query_, key_, value_}, mixed_, core, 0, tokens, flows);
    const bool normed = attention.passes || terms.of(*mixed_norm_).trains;
    const MlpCost mlp = mlp_cost(terms, {wide_}, narrow_, tokens, normed);
    cost.attention = attention.kept + (normed ? norm_kept(terms, mixed_norm_, tokens) : 0);
    cost.mlp = mlp.kept + norm_kept(terms, narrow_norm_, tokens);
    cost.mlp_work = state + mlp.work;
    cost.attention_work = state + attention.core.work;
    return cost;
  }

 private:
  std::int64_t heads_;
  Activation activation_;
  Linear query_{nullptr}, key_{nullptr}, value_{nullptr}, mixed_{nullptr}, wide_{nullptr},
      narrow_{nullptr};
  LayerNorm mixed_norm_{nullptr}, narrow_norm_{nullptr};
  Branches branches_;
};

/// The bias of the vocabulary's product, which stands beside it in the files.
class Predictions : public ParameterModule {
 public:
  Predictions(const BertOptions& o, const Embedding& words, const torch::TensorOptions& t)
      : activation_(o.hidden_act) {
    add_parameter("bias", bias_, {o.vocab_size}, t);
    const auto transform = register_module("transform", std::make_shared<Part>());
    dense_ = transform->register_module("dense", Linear(o.hidden_size, o.hidden_size, true, t));
    norm_ = transform->register_module("LayerNorm", LayerNorm(o.hidden_size, o.layer_norm_eps, t));
    // A head of its own has a bias of its own, and the other one is there for nothing.
    decoder = register_module("decoder", o.tie_word_embeddings
                                             ? Linear(words->weight)
                                             : Linear(o.hidden_size, o.vocab_size, true, t));
    if (o.tie_word_embeddings) decoder->bias = bias_;
  }
  std::string type_name() const override { return "Parameter"; }

  Tensor transformed(const Tensor& states) const {
    return norm_->forward(activate(dense_->forward(states), activation_));
  }

  Stage cost(const StepTerms& terms, std::int64_t labels, bool flows) const {
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

  Linear decoder{nullptr};

 private:
  Activation activation_;
  Tensor bias_;
  Linear dense_{nullptr};
  LayerNorm norm_{nullptr};
};

class Bert : public Model, public Encoder, public StepCosts {
 public:
  Bert(const BertOptions& o, const torch::TensorOptions& t) : options_(o) {
    const auto body = register_module("bert", std::make_shared<Part>());
    embeddings_ = body->register_module("embeddings", std::make_shared<Embeddings>(o, t));
    torch::nn::ModuleList list;
    for (std::int64_t i = 0; i < o.num_hidden_layers; ++i) {
      layers_.push_back(std::make_shared<Layer>(o, t));
      list->push_back(layers_.back());
    }
    body->register_module("encoder", std::make_shared<Part>())->register_module("layer", list);
    predictions_ = register_module("cls", std::make_shared<Part>())
                       ->register_module("predictions",
                                         std::make_shared<Predictions>(o, embeddings_->words, t));
  }

  Encoder* encoder() override { return this; }
  const StepCosts* step_costs() const override { return this; }

  PassCost cost(const Pass& pass) const override {
    const StepTerms& terms = pass.terms;
    PassCost cost;
    Stage inputs;
    inputs.kept = 2 * terms.block(pass.tokens, 8);  // ids and labels
    inputs.moments = {{inputs.kept, 0}};
    cost.stages = {inputs, embeddings_->cost(terms, pass.tokens)};
    bool flows = trained_within(terms, *embeddings_).trains;
    const RowsShape rows = rows_shape(pass.lengths, /*causal=*/false);
    const std::int64_t state = terms.block(pass.tokens * options_.hidden_size);
    for (const auto& layer : layers_) {
      const LayerCost of_layer = layer->cost(terms, rows, pass.tokens, flows);
      flows = flows || of_layer.share.trains;
      cost.stages.push_back(layer_stage(terms, of_layer, state, state));
    }
    cost.stages.push_back(predictions_->cost(terms, pass.labels, flows));
    const Linear& head = predictions_->decoder;
    const TrainedShare share = terms.of(*head);
    const bool tied = head->weight.shares(embeddings_->words->weight);
    cost.head = {options_.vocab_size, options_.hidden_size,
                 share.whole || (tied && terms.of(*embeddings_->words).whole),
                 share.trains && !share.whole};
    return cost;
  }

  Tensor encode(const ModelInput& input) override {
    const RowLayout rows = row_layout(input);
    Tensor x = embeddings_->forward(input.input_ids, rows);
    for (const auto& layer : layers_) {
      const auto run = [&layer, rows](const Tensor& in) { return layer->forward(in, {rows}); };
      x = gradient_checkpointing_ ? checkpointed(run, x) : run(x);
    }
    return x;
  }
  Tensor before_head(const Tensor& states) override { return predictions_->transformed(states); }
  Linear head() override { return predictions_->decoder; }

  ModelGeometry geometry() const override {
    ModelGeometry g;
    g.vocab_size = options_.vocab_size, g.hidden_size = options_.hidden_size;
    g.num_hidden_layers = options_.num_hidden_layers;
    g.num_attention_heads = g.num_key_value_heads = options_.num_attention_heads;
    g.head_dim = options_.hidden_size / options_.num_attention_heads;
    g.tied_embeddings = options_.tie_word_embeddings;
    return g;
  }

 private:
  BertOptions options_;
  std::shared_ptr<Embeddings> embeddings_;
  std::vector<std::shared_ptr<Layer>> layers_;
  std::shared_ptr<Predictions> predictions_;
};

Result<BertOptions> read_options(const Json& config, const std::string& where) {
  BertOptions o;
  LUTHIER_CHECK(read_in_range(config, "vocab_size", where, 1, 1 << 24, o.vocab_size));
  LUTHIER_CHECK(read_in_range(config, "hidden_size", where, 1, 1 << 20, o.hidden_size));
  LUTHIER_CHECK(read_in_range(config, "intermediate_size", where, 1, 1 << 22, o.intermediate_size));
  LUTHIER_CHECK(read_in_range(config, "num_hidden_layers", where, 1, 4096, o.num_hidden_layers));
  LUTHIER_CHECK(
      read_in_range(config, "num_attention_heads", where, 1, 1 << 16, o.num_attention_heads));
  LUTHIER_CHECK(read_in_range(config, "max_position_embeddings", where, 1, 1 << 20,
                              o.max_position_embeddings));
  LUTHIER_CHECK(read_in_range(config, "type_vocab_size", where, 1, 1 << 16, o.type_vocab_size));
  if (o.hidden_size % o.num_attention_heads != 0) {
    return input_error("hidden_size is not a multiple of num_attention_heads.",
                       where + ": num_attention_heads");
  }
  LUTHIER_TRY(o.layer_norm_eps, json_number(config, "layer_norm_eps", where, o.layer_norm_eps));
  LUTHIER_TRY(o.initializer_range,
              json_number(config, "initializer_range", where, o.initializer_range));
  LUTHIER_TRY(const std::string act, json_string(config, "hidden_act", where, "gelu"));
  LUTHIER_TRY(o.hidden_act, parse_activation(act, where + ": hidden_act"));
  LUTHIER_TRY(o.tie_word_embeddings, json_bool(config, "tie_word_embeddings", where, true));
  for (const char* key : {"is_decoder", "add_cross_attention"}) {
    LUTHIER_TRY(const bool set, json_bool(config, key, where, false));
    if (set)
      return input_error("A BERT that looks back only is not one that Luthier can load.",
                         where + ": " + key);
  }
  return o;
}

Result<Plan> read(const Json& config, const std::filesystem::path& folder) {
  LUTHIER_TRY(const BertOptions options, read_options(config, (folder / "config.json").string()));
  Plan plan;
  plan.build = builder<Bert>(options);
  plan.initializer_range = options.initializer_range;
  plan.longest_row = options.max_position_embeddings;
  return plan;
}

/// The oldest files say gamma and beta for a norm's weight and bias.
std::string memory_name(const std::string& stored) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 2> kOldNames{
      {{".gamma", ".weight"}, {".beta", ".bias"}}};
  for (const auto& [old, now] : kOldNames) {
    if (stored.ends_with(old))
      return stored.substr(0, stored.size() - old.size()) + std::string(now);
  }
  return stored;
}

}  // namespace

const Family bert_family{"bert", /*takes_pictures=*/false, read, memory_name, same_name};

}  // namespace luthier
