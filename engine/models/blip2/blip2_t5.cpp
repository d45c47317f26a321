// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/blip2/blip2_t5.h"

#include <cmath>

#include "engine/models/blip2/blip2_model.h"
#include "engine/models/t5/t5_stack.h"
#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

/// What prepare() sets aside.
constexpr const char *kBlip2Across = "across", *kBlip2Places = "image_places";

/// transformers' T5ForConditionalGeneration under its own names.
class T5Half : public torch::nn::Module {
 public:
  T5Half(const t5::Options& o, bool tied, const torch::TensorOptions& t) {
    shared = register_module("shared", Embedding(o.vocab_size, o.d_model, t));
    encoder = register_module("encoder", std::make_shared<t5::Stack>(o, /*decoder=*/false, t));
    decoder = register_module("decoder", std::make_shared<t5::Stack>(o, /*decoder=*/true, t));
    lm_head = register_module(
        "lm_head", tied ? Linear(shared->weight) : Linear(o.d_model, o.vocab_size, false, t));
  }

  Embedding shared{nullptr};
  std::shared_ptr<t5::Stack> encoder, decoder;
  Linear lm_head{nullptr};
};

class Blip2T5 : public Model, public SequenceToSequence, public PictureTower, public StepCosts {
 public:
  Blip2T5(const Blip2T5Options& o, const torch::TensorOptions& t)
      : options_(o), bridge_(o.bridge, o.text.d_model, *this, t) {
    declare_part(kVisionTower, kBridgeTower);
    for (const char* prefix : kBridgeProjector) declare_part(kProjector, prefix);
    const QFormerOptions& q = o.bridge.qformer;
    add_parameter("query_tokens", query_tokens_, {1, q.queries, q.hidden_size}, t);
    text_ = register_module("language_model",
                            std::make_shared<T5Half>(o.text, o.tie_word_embeddings, t));
  }

  SequenceToSequence* sequence_to_sequence() override { return this; }
  PictureTower* picture_tower() override { return this; }
  const StepCosts* step_costs() const override { return this; }
  void start_own_tensors() override { query_tokens_.zero_(); }

  void prepare(ModelInput& input) const override {
    Model::prepare(input);
    set_across_aside(RowLayout(input.lengths), RowLayout(input.source_lengths), input.aside,
                     kBlip2Across);
    if (!input.pictures.empty() && input.source_ids.defined())
      input.aside[kBlip2Places] = image_places(input);
  }

  Tensor tower(const ModelInput& input) override { return bridge_.tower(input); }

  RowStates encode(const ModelInput& input) override {
    Tensor x = text_->shared->forward(input.source_ids);
    if (!input.pictures.empty()) {
      const Tensor features = input.tower_features.defined() ? input.tower_features : tower(input);
      x = place_features(x, image_places(input), bridge_.project(query_tokens_, features, input));
    }
    RowLayout rows = source_layout(input);
    const Tensor states =
        text_->encoder->forward(x, rows, nullptr, nullptr, gradient_checkpointing_);
    return {states, std::move(rows)};
  }

  Tensor decode(const ModelInput& input, const RowStates& memory, KeyValueCache* cache) override {
    const RowLayout rows = row_layout(input);
    take_across_back(rows, memory.rows, input.aside, kBlip2Across);
    const Tensor states = text_->decoder->forward(text_->shared->forward(input.input_ids), rows,
                                                  &memory, cache, gradient_checkpointing_);
    if (cache) cache->advance(rows.longest());
    if (!options_.text.scaled_outputs) return states;
    return states * std::pow(static_cast<double>(options_.text.d_model), -0.5);
  }

  Linear head() override { return text_->lm_head; }
  TokenId start_token() const override { return options_.text.start; }
  std::int64_t decoder_layers() const override { return options_.text.num_decoder_layers; }
  std::int64_t feature_numbers(const PictureLoad& pictures) const override {
    return bridge_.feature_numbers(pictures);
  }

  PassCost cost(const Pass& pass) const override {
    const StepTerms& terms = pass.terms;
    std::int64_t source = 0;
    for (const std::int64_t length : pass.source_lengths) source += length;
    PassCost cost;
    Stage inputs;
    inputs.kept = 2 * terms.block(pass.tokens, 8) + terms.block(source, 8);
    if (bridge_.tower_cost(pass).trains) inputs.kept += terms.floats(pass.pictures.numbers);
    inputs.moments = {{inputs.kept, 0}};
    cost.stages = {inputs};
    const bool flows = bridge_.add_cost(pass, terms.of(*this), cost);
    add_two_stacks(pass, text_->shared, flows, *text_->encoder, *text_->decoder, cost.stages);
    const TrainedShare share = terms.of(*text_->lm_head);
    const bool tied = text_->lm_head->weight.shares(text_->shared->weight);
    cost.head = {options_.text.vocab_size, options_.text.d_model,
                 share.whole || (tied && terms.of(*text_->shared).whole),
                 share.trains && !share.whole};
    return cost;
  }

  ModelGeometry geometry() const override {
    ModelGeometry g;
    const t5::Options& text = options_.text;
    g.vocab_size = text.vocab_size, g.hidden_size = text.d_model;
    g.num_hidden_layers = text.num_layers + text.num_decoder_layers;
    g.num_attention_heads = g.num_key_value_heads = text.num_heads;
    g.head_dim = text.d_kv;
    g.tied_embeddings = options_.tie_word_embeddings;
    const BlipTowerOptions& vision = bridge_.options.vision;
    g.vision_hidden_size = vision.hidden_size, g.vision_layers = vision.num_hidden_layers;
    g.vision_heads = vision.num_attention_heads, g.vision_tokens = vision.tokens();
    g.image_tokens = bridge_.options.qformer.queries;
    g.image_height = vision.image_height, g.image_width = vision.image_width;
    return g;
  }

 private:
  Tensor image_places(const ModelInput& input) const {
    const auto made = input.aside.find(kBlip2Places);
    return made != input.aside.end()
               ? made->second
               : (input.source_ids == options_.image_token_id).nonzero().squeeze(1);
  }

  Blip2T5Options options_;
  Tensor query_tokens_;
  Bridge bridge_;
  std::shared_ptr<T5Half> text_;
};

}  // namespace

bool is_blip2_t5(const Json& config) {
  const auto text = config.find("text_config");
  return text != config.end() && text->is_object() && text->value("model_type", Json()) == "t5";
}

Result<Blip2T5Options> read_blip2_t5_options(const Json& config, const std::string& where) {
  Blip2T5Options o;
  LUTHIER_TRY(o.bridge, read_bridge_options(config, where, /*instructed=*/false));
  LUTHIER_TRY(const Json text, config_section(config, "text_config", where));
  LUTHIER_TRY(o.text, t5::read_options(text, where + ": text_config"));
  LUTHIER_TRY(o.image_token_id, read_query_token(config, where, o.text.vocab_size));
  return o;
}

std::shared_ptr<Model> make_blip2_t5(const Blip2T5Options& options,
                                     const torch::TensorOptions& tensors) {
  return std::make_shared<Blip2T5>(options, tensors);
}

void untie_blip2(Json& config) {
  config["tie_word_embeddings"] = false;
  const auto text = config.find("text_config");
  if (text == config.end() || !text->is_object()) return;
  if (is_blip2_t5(config)) return t5::untie(*text);
  (*text)["tie_word_embeddings"] = false;
}

}  // namespace luthier
