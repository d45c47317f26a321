// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/bert/text_encoder.h"

#include <algorithm>
#include <array>

#include "engine/models/bert/named_parts.h"
#include "engine/models/config_numbers.h"
#include "engine/nn/checkpointing.h"
#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

/// The layers, one after another; those of a group come again.
std::vector<std::shared_ptr<TextLayer>> make_layers(torch::nn::Module& body,
                                                    const TextEncoderOptions& o,
                                                    const torch::TensorOptions& t) {
  const TextEncoderNames& names = *o.names;
  const std::int64_t groups = o.groups > 0 ? o.groups : o.num_hidden_layers,
                     inner = names.inner ? o.inner : 1;
  std::vector<std::shared_ptr<TextLayer>> made, used;
  for (std::int64_t group = 0; group < groups; ++group) {
    for (std::int64_t i = 0; i < inner; ++i) {
      std::string path = std::string(names.layers) + "." + std::to_string(group);
      if (names.inner) path += std::string(".") + names.inner + "." + std::to_string(i);
      made.push_back(register_at(body, path, std::make_shared<TextLayer>(o.layer, names.layer, t)));
    }
  }
  for (std::int64_t i = 0; i < o.num_hidden_layers; ++i) {
    // As transformers divides: by a floating number, then down.
    const double in_group = static_cast<double>(o.num_hidden_layers) / static_cast<double>(groups);
    const auto group = static_cast<std::int64_t>(static_cast<double>(i) / in_group);
    for (std::int64_t k = 0; k < inner; ++k)
      used.push_back(made[static_cast<std::size_t>(group * inner + k)]);
  }
  return used;
}

}  // namespace

TextEncoder::TextEncoder(const TextEncoderOptions& o, const torch::TensorOptions& t) : options_(o) {
  const TextEncoderNames& names = *o.names;
  const auto body = register_module(names.body, std::make_shared<EncoderPart>());
  embeddings_ = body->register_module("embeddings", std::make_shared<TextEmbeddings>(o.tables, t));
  if (o.always_projected || o.tables.width != o.layer.hidden)
    projection_ =
        register_at(*body, names.projection, Linear(o.tables.width, o.layer.hidden, true, t));
  layers_ = make_layers(*body, o, t);
  if (o.classes) {
    class_head_ =
        std::make_unique<TextClassHead>(*this, names.classes, *o.classes,
                                        ClassHeadSizes{o.layer.hidden, o.pooled_by, o.replaced}, t);
    return;
  }
  PredictionSizes sizes;
  sizes.hidden = o.layer.hidden, sizes.width = o.tables.width, sizes.words = o.tables.words;
  sizes.layer_norm_eps = o.layer.layer_norm_eps, sizes.activation = o.predicts_by;
  sizes.tied = o.tie_word_embeddings;
  predictions_ =
      std::make_unique<Predictions>(*this, names.predictions, sizes, embeddings_->words, t);
  if (o.judges_pairs)
    pair_head_ = std::make_unique<TextClassHead>(
        *this, names.pairs,
        ClassOptions{ClassOptions::Of::Row, ClassOptions::Says::One, {"0", "1"}},
        ClassHeadSizes{o.layer.hidden, std::nullopt, false}, t);
}

void TextEncoder::prepare(ModelInput& input) const {
  check_token_types(input, options_.tables.types);
  Model::prepare(input);
}

PassCost TextEncoder::cost(const Pass& pass) const {
  const StepTerms& terms = pass.terms;
  PassCost cost;
  Stage inputs;
  inputs.kept = 2 * terms.block(pass.tokens, 8);  // ids and labels
  inputs.moments = {{inputs.kept, 0}};
  cost.stages = {inputs, embeddings_->cost(terms, pass.tokens)};
  bool flows = trained_within(terms, *embeddings_).trains;
  const std::int64_t state = terms.block(pass.tokens * options_.layer.hidden);
  if (projection_) {
    const ProductsCost product = products_cost(terms, {projection_}, pass.tokens);
    Stage widened;
    widened.kept = product.input + product.numbers;
    widened.moments = {{widened.kept, state + product.work}};
    widened.gradients = terms.of(*projection_).parameters * terms.gradient_element;
    cost.stages.push_back(widened);
    flows = flows || product.trains;
  }
  const RowsShape rows = rows_shape(pass.lengths, /*causal=*/false);
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    LayerCost of_layer = layers_[i]->cost(terms, rows, pass.tokens, flows);
    flows = flows || of_layer.share.trains;
    // A layer that comes again has its gradients since its last use, which is gone back first.
    const auto next = layers_.begin() + static_cast<std::ptrdiff_t>(i) + 1;
    if (std::find(next, layers_.end(), layers_[i]) != layers_.end()) of_layer.share.parameters = 0;
    cost.stages.push_back(layer_stage(terms, of_layer, state, state));
  }
  if (class_head_) {
    class_head_->add_cost(pass, flows, cost);
    return cost;
  }
  // Counted also where an objective asks nothing of it: it is small beside a layer.
  if (pair_head_) pair_head_->add_cost(pass, flows, cost);
  cost.stages.push_back(predictions_->cost(terms, pass.labels, flows));
  cost.head = predictions_->head_cost(terms, embeddings_->words);
  return cost;
}

Tensor TextEncoder::encode(const ModelInput& input) {
  const RowLayout rows = row_layout(input);
  Tensor x = embeddings_->forward(input.input_ids, input.token_types, rows);
  if (projection_) x = projection_->forward(x);
  for (const auto& layer : layers_) {
    const auto run = [&layer, rows](const Tensor& in) { return layer->forward(in, {rows}); };
    x = gradient_checkpointing_ ? checkpointed(run, x) : run(x);
  }
  return x;
}

ModelGeometry TextEncoder::geometry() const {
  ModelGeometry g;
  g.vocab_size = options_.tables.words, g.hidden_size = options_.layer.hidden;
  g.num_hidden_layers = options_.num_hidden_layers;
  g.num_attention_heads = g.num_key_value_heads = options_.layer.heads;
  g.head_dim = options_.layer.hidden / options_.layer.heads;
  g.tied_embeddings = options_.tie_word_embeddings;
  return g;
}

Status read_text_encoder(const Json& config, const std::string& where, TextEncoderOptions& o) {
  const auto read = [&](const char* key, std::int64_t low, std::int64_t high, std::int64_t& value) {
    return read_in_range(config, key, where, low, high, value);
  };
  LUTHIER_CHECK(read("vocab_size", 1, 1 << 24, o.tables.words));
  LUTHIER_CHECK(read("hidden_size", 1, 1 << 20, o.layer.hidden));
  LUTHIER_CHECK(read("intermediate_size", 1, 1 << 22, o.layer.intermediate));
  LUTHIER_CHECK(read("num_hidden_layers", 1, 4096, o.num_hidden_layers));
  LUTHIER_CHECK(read("num_attention_heads", 1, 1 << 16, o.layer.heads));
  LUTHIER_CHECK(read("max_position_embeddings", 1, 1 << 20, o.tables.positions));
  LUTHIER_CHECK(read("type_vocab_size", o.tables.types > 0 ? 1 : 0, 1 << 16, o.tables.types));
  if (o.layer.hidden % o.layer.heads != 0) {
    return input_error("hidden_size is not a multiple of num_attention_heads.",
                       where + ": num_attention_heads");
  }
  const auto padding = config.find("pad_token_id");
  if (padding != config.end() && padding->is_null())
    o.tables.padding = -1;
  else
    LUTHIER_CHECK(read("pad_token_id", 0, o.tables.words - 1, o.tables.padding));
  LUTHIER_TRY(o.layer.layer_norm_eps,
              json_number(config, "layer_norm_eps", where, o.layer.layer_norm_eps));
  o.tables.layer_norm_eps = o.layer.layer_norm_eps;
  LUTHIER_TRY(o.initializer_range,
              json_number(config, "initializer_range", where, o.initializer_range));
  if (config.contains("hidden_act")) {
    LUTHIER_TRY(const std::string act, json_string(config, "hidden_act", where));
    LUTHIER_TRY(o.layer.activation, parse_activation(act, where + ": hidden_act"));
  }
  o.predicts_by = o.layer.activation;
  o.judges_pairs = names_pretraining_class(config);
  LUTHIER_TRY(o.tie_word_embeddings, json_bool(config, "tie_word_embeddings", where, true));
  LUTHIER_TRY(o.classes, read_class_options(config, where));
  if (o.classes && o.classes->of == ClassOptions::Of::Picture) o.classes.reset();
  for (const char* key : {"is_decoder", "add_cross_attention"}) {
    LUTHIER_TRY(const bool set, json_bool(config, key, where, false));
    if (set)
      return input_error("A text encoder that looks back only is not one that Luthier can load.",
                         where + ": " + key);
  }
  return {};
}

void check_token_types(const ModelInput& input, std::int64_t types) {
  TORCH_CHECK(!input.token_types.defined() || types == 0 || input.token_types.numel() == 0 ||
                  input.token_types.max().item<std::int64_t>() < types,
              "the tokenizer knows more kinds of tokens than the model's ", types);
}

Plan text_encoder_plan(const TextEncoderOptions& options) {
  Plan plan;
  plan.build = builder<TextEncoder>(options);
  plan.initializer_range = options.initializer_range;
  plan.longest_row = longest_row(options.tables);
  plan.labels.classes = options.classes;
  return plan;
}

Family text_encoder_family(const char* model_type,
                           Result<Plan> (*read)(const Json&, const std::filesystem::path&),
                           std::string (*memory_name)(const std::string& stored),
                           const ClassHeads& class_heads) {
  Family family{model_type, /*takes_pictures=*/false, read, memory_name, same_name};
  family.class_heads = class_heads;
  return family;
}

std::string within_text_body(const char* body, const std::string& stored) {
  const std::string name = text_encoder_memory_name(stored);
  for (const char* first : {"embeddings.", "encoder.", "embeddings_project.", "pooler."})
    if (name.starts_with(first)) return std::string(body) + "." + name;
  return name;
}

std::string text_encoder_memory_name(const std::string& stored) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 2> kOldNames{
      {{".gamma", ".weight"}, {".beta", ".bias"}}};
  for (const auto& [old, now] : kOldNames) {
    if (stored.ends_with(old))
      return stored.substr(0, stored.size() - old.size()) + std::string(now);
  }
  return stored;
}

}  // namespace luthier
