// SPDX-License-Identifier: GPL-3.0-or-later
// VirTex (Desai & Johnson 2021; transformers has no class of it): a picture's last map of a ResNet
// is what captions are written from, forwards and backwards at once, so that the ResNet learns to
// see from words alone; it is usable by itself afterwards, since its names are ResNetModel's. The
// loss is the sum of both directions' means (models/backward_writer.h), which is by how many tokens
// a caption has the same for both.
#include <algorithm>
#include <numeric>

#include "engine/models/backward_writer.h"
#include "engine/models/family.h"
#include "engine/models/map_captions.h"
#include "engine/models/row_memory.h"
#include "engine/models/virtex/textual_head.h"
#include "engine/nn/module_cost.h"

namespace luthier {

namespace virtex {

using torch::Tensor;

// What prepare() sets aside.
constexpr const char *kAcross = "across", *kReversed = "reversed";

class Part : public torch::nn::Module {};

/// A tied product with a bias of its own.
class WordHead : public LinearImpl {
 public:
  WordHead(const Tensor& owner, const torch::TensorOptions& t) : LinearImpl(owner) {
    add_parameter("bias", bias, {owner.size(0)}, t);
  }
};

class VirTex : public Model,
               public SequenceToSequence,
               public PictureTower,
               public StepCosts,
               public BackwardWriter {
 public:
  VirTex(const Options& o, const torch::TensorOptions& t) : options_(o) {
    declare_part(kVisionTower, "resnet.");
    declare_part(kProjector, "textual.visual_projection.");
    resnet_ = register_module("resnet", std::make_shared<ResnetBody>(o.vision, t));
    const auto textual = register_module("textual", std::make_shared<Part>());
    visual_projection_ = textual->register_module(
        "visual_projection", Linear(resnet_->width(), o.text.d_model, true, t));
    embedding_ = textual->register_module("embedding", std::make_shared<CaptionEmbedding>(o, t));
    forward_ = textual->register_module("transformer", std::make_shared<CaptionLayers>(o, t));
    output_ = textual->register_module(
        "output", o.tie_word_embeddings
                      ? Linear(std::shared_ptr<LinearImpl>(
                            std::make_shared<WordHead>(embedding_->words->weight, t)))
                      : Linear(o.text.d_model, o.text.vocab_size, true, t));
    if (o.backward)
      backward_ = register_module("backward_textual", std::make_shared<Part>())
                      ->register_module("transformer", std::make_shared<CaptionLayers>(o, t));
  }

  SequenceToSequence* sequence_to_sequence() override { return this; }
  PictureTower* picture_tower() override { return this; }
  const StepCosts* step_costs() const override { return this; }
  bool writes_backward() const override { return static_cast<bool>(backward_); }

  void prepare(ModelInput& input) const override {
    Model::prepare(input);
    set_across_aside(RowLayout(input.lengths), RowLayout(memory_lengths(input)), input.aside,
                     kAcross);
    if (!backward_) return;
    input.aside[kReversed] = reversed_places(input.lengths);
    set_backward_aside(input);
  }

  /// The last map, place by place: [pictures · places, channels].
  Tensor tower(const ModelInput& input) override {
    return resnet_->map(input.pixel_values).flatten(2).transpose(1, 2).flatten(0, 1).contiguous();
  }
  std::int64_t feature_rows(const PictureFacts&) const override { return options_.states(); }

  /// Row by row the places of its one picture; filler looks across to nothing.
  RowStates encode(const ModelInput& input) override {
    const Tensor features = input.tower_features.defined() ? input.tower_features : tower(input);
    Tensor states = visual_projection_->forward(features);
    return memory_of(std::move(states), memory_lengths(input));
  }

  Tensor decode(const ModelInput& input, const RowStates& memory, KeyValueCache* cache) override {
    return written(input.input_ids, *forward_, input, memory, cache);
  }

  Tensor decode_backward(const ModelInput& input, const RowStates& memory) override {
    const auto made = input.aside.find(kReversed);
    const Tensor places = made != input.aside.end()
                              ? made->second
                              : reversed_places(input.lengths).to(input.input_ids.device());
    return written(input.input_ids.index_select(0, places), *backward_, input, memory, nullptr);
  }

  Linear head() override { return output_; }
  TokenId start_token() const override { return options_.start; }
  std::int64_t decoder_layers() const override { return options_.text.decoder.layers; }

  std::int64_t feature_numbers(const PictureLoad& pictures) const override {
    return pictures.frames * options_.states() * resnet_->width();
  }

  PassCost cost(const Pass& pass) const override;

  ModelGeometry geometry() const override {
    const bart::Options& text = options_.text;
    ModelGeometry g = resnet_->geometry();
    g.vocab_size = text.vocab_size, g.hidden_size = text.d_model;
    g.num_hidden_layers = text.decoder.layers * (backward_ ? 2 : 1);
    g.num_attention_heads = g.num_key_value_heads = text.decoder.heads;
    g.head_dim = text.d_model / text.decoder.heads;
    g.tied_embeddings = options_.tie_word_embeddings;
    g.vision_tokens = options_.states();
    g.image_height = g.image_width = options_.image_size;
    return g;
  }

 private:
  std::vector<std::int64_t> memory_lengths(const ModelInput& input) const {
    return luthier::memory_lengths(options_.states(), input.pictures.size(), input.lengths.size());
  }

  Tensor written(const Tensor& ids, const CaptionLayers& layers, const ModelInput& input,
                 const RowStates& memory, KeyValueCache* cache) const {
    const RowLayout rows = row_layout(input);
    take_across_back(rows, memory.rows, input.aside, kAcross);
    const std::int64_t before = cache ? cache->length() : 0;
    TORCH_CHECK(before + rows.longest() <= embedding_->positions(), "a row of ",
                before + rows.longest(), " tokens is longer than the model's ",
                embedding_->positions(), " positions");
    const Tensor x = embedding_->forward(ids, rows.positions(ids.device()) + before);
    const Tensor states = layers.forward(x, rows, memory, cache, gradient_checkpointing_);
    if (cache) cache->advance(rows.longest());
    return states;
  }

  Options options_;
  std::shared_ptr<ResnetBody> resnet_;
  Linear visual_projection_{nullptr};
  std::shared_ptr<CaptionEmbedding> embedding_;
  std::shared_ptr<CaptionLayers> forward_, backward_;
  Linear output_{nullptr};
};

PassCost VirTex::cost(const Pass& pass) const {
  const StepTerms& terms = pass.terms;
  const std::int64_t source =
      std::accumulate(pass.source_lengths.begin(), pass.source_lengths.end(), std::int64_t{0});
  const TowerCost tower = resnet_->cost(pass);
  PassCost cost;
  Stage inputs;
  inputs.kept = 2 * terms.block(pass.tokens, 8) + terms.block(source, 8);
  if (tower.trains) inputs.kept += terms.floats(pass.pictures.numbers);
  inputs.moments = {{inputs.kept, 0}};
  cost.stages = {inputs};
  add_body_cost(tower, pass, terms.block(feature_numbers(pass.pictures)), cost);
  const ProductsCost product = products_cost(terms, {visual_projection_}, source);
  Stage across;
  across.kept = product.input + product.numbers;
  across.moments = {{across.kept, product.work}};
  across.gradients = terms.of(*visual_projection_).parameters * terms.gradient_element;
  // The memory stands once for the layers of both directions.
  if (forward_->keeps_memory(terms) || (backward_ && backward_->keeps_memory(terms)))
    across.kept += terms.block(source * options_.text.d_model);
  cost.stages.push_back(across);
  StackPass through;
  through.tokens = pass.tokens, through.memory_tokens = source;
  through.rows = pass.rows, through.across = across_shape(pass.lengths, pass.source_lengths);
  through.memory_flows = tower.flows || product.trains;
  for (const auto& direction : {forward_, backward_}) {
    if (!direction) continue;
    bool flows = false;
    cost.stages.push_back(embedding_->cost(terms, pass.tokens, flows));
    if (direction == backward_) cost.stages.back().gradients = 0;  // the same tables'
    direction->add_cost(terms, through, flows, cost.stages);
  }
  const TrainedShare head = terms.of(*output_), words = terms.of(*embedding_->words);
  cost.head = {options_.text.vocab_size, options_.text.d_model,
               head.whole || (output_->weight.shares(embedding_->words->weight) && words.whole),
               head.trains && !head.whole};
  return cost;
}

Result<Plan> read(const Json& config, const std::filesystem::path& folder) {
  LUTHIER_TRY(const Options options, read_options(config, (folder / "config.json").string()));
  Plan plan;
  plan.build = builder<VirTex>(options);
  plan.pictures = map_captions(options.image_size, options.states(), options.start, options.end);
  plan.initializer_range = options.text.init_std;
  plan.longest_row = options.text.max_position_embeddings;
  return plan;
}

}  // namespace virtex

extern const Family virtex_family;
const Family virtex_family{"virtex", /*takes_pictures=*/true, virtex::read, same_name, same_name};

}  // namespace luthier
