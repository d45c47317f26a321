// SPDX-License-Identifier: GPL-3.0-or-later
// VisualGPT (Chen et al. 2022; transformers has no class of it): the places of a ResNet's last map
// go through a few encoder layers, and each layer of GPT-2 looks across to what every one of them
// made, through gates that begin with what GPT-2 knows (visualgpt/gated_stack.h). The ResNet has
// ResNetModel's names, GPT-2 those of GPT2LMHeadModel with cross-attention, the encoder's layers
// BART's. The paper reads region features by an encoder with memory slots; here the map is read, by
// one without.
#include <algorithm>
#include <numeric>

#include "engine/models/bart/bart_stack.h"
#include "engine/models/family.h"
#include "engine/models/map_captions.h"
#include "engine/models/row_memory.h"
#include "engine/models/visualgpt/gated_stack.h"
#include "engine/nn/checkpointing.h"
#include "engine/nn/module_cost.h"

namespace luthier {

namespace visualgpt {

using torch::Tensor;

/// What prepare() sets aside.
constexpr const char* kAcross = "across";
constexpr double kEpsilon = 1e-5;  // torch's own

/// A product, relu and a norm, and layers of which each makes a level.
class LevelEncoder : public torch::nn::Module {
 public:
  LevelEncoder(const Options& o, std::int64_t channels, const torch::TensorOptions& t) {
    fc_ = register_module("fc", Linear(channels, o.text.n_embd, /*bias=*/true, t));
    layer_norm_ = register_module("layer_norm", LayerNorm(o.text.n_embd, kEpsilon, t));
    torch::nn::ModuleList list;
    for (std::int64_t i = 0; i < o.levels(); ++i) {
      layers_.push_back(std::make_shared<bart::Layer>(o.encoder, /*decoder=*/false, t));
      list->push_back(layers_.back());
    }
    register_module("layers", list);
  }
  /// features [places, channels] of rows → [places, levels · width].
  Tensor forward(const Tensor& features, const RowLayout& rows, bool checkpointing) const {
    Tensor x = layer_norm_->forward(activate(fc_->forward(features), Activation::Relu));
    std::vector<Tensor> levels;
    for (const auto& layer : layers_) {
      const auto run = [layer, rows](const Tensor& in) {
        return layer->forward(in, LayerFrame{rows});
      };
      x = checkpointing ? checkpointed(run, x) : run(x);
      levels.push_back(x);
    }
    return at::cat(levels, 1);
  }
  void add_cost(const StepTerms& terms, const StackPass& pass, bool& flows,
                std::vector<Stage>& stages) const {
    const ProductsCost product = products_cost(terms, {fc_}, pass.tokens);
    const std::int64_t state = terms.block(pass.tokens * fc_->out_features());
    Stage first;
    flows = flows || product.trains;
    first.kept = product.input + product.numbers + (flows ? state : 0);
    flows = flows || terms.of(*layer_norm_).trains;
    if (flows) first.kept += norm_kept(terms, layer_norm_, pass.tokens);
    first.moments = {{first.kept, product.work + 2 * state}};
    first.gradients =
        (terms.of(*fc_).parameters + terms.of(*layer_norm_).parameters) * terms.gradient_element;
    stages.push_back(first);
    for (const auto& layer : layers_) {
      stages.push_back(layer->cost(terms, pass, flows));
      flows = flows || trained_within(terms, *layer).trains;
    }
    // All levels side by side, which the decoder's layers look at.
    Stage last;
    last.kept =
        terms.block(pass.tokens * fc_->out_features() * static_cast<std::int64_t>(layers_.size()));
    last.moments = {{last.kept, flows ? last.kept : 0}};
    stages.push_back(last);
  }

 private:
  Linear fc_{nullptr};
  LayerNorm layer_norm_{nullptr};
  std::vector<std::shared_ptr<bart::Layer>> layers_;
};

class VisualGpt : public Model, public SequenceToSequence, public PictureTower, public StepCosts {
 public:
  VisualGpt(const Options& o, const torch::TensorOptions& t) : options_(o) {
    declare_part(kVisionTower, "resnet.");
    declare_part(kProjector, "encoder.");
    resnet_ = register_module("resnet", std::make_shared<ResnetBody>(o.vision, t));
    encoder_ = register_module("encoder", std::make_shared<LevelEncoder>(o, resnet_->width(), t));
    stack_ = register_module("transformer", std::make_shared<GatedStack>(o, t));
    lm_head_ = register_module("lm_head", o.tie_word_embeddings
                                              ? Linear(stack_->wte->weight)
                                              : Linear(o.text.n_embd, o.text.vocab_size, false, t));
  }

  SequenceToSequence* sequence_to_sequence() override { return this; }
  PictureTower* picture_tower() override { return this; }
  const StepCosts* step_costs() const override { return this; }

  void prepare(ModelInput& input) const override {
    Model::prepare(input);
    set_across_aside(RowLayout(input.lengths), RowLayout(memory_lengths(input)), input.aside,
                     kAcross);
  }

  Tensor tower(const ModelInput& input) override {
    return resnet_->map(input.pixel_values).flatten(2).transpose(1, 2).flatten(0, 1).contiguous();
  }
  std::int64_t feature_rows(const PictureFacts&) const override { return options_.states(); }

  RowStates encode(const ModelInput& input) override {
    Tensor features = input.tower_features.defined() ? input.tower_features : tower(input);
    RowStates memory = memory_of(std::move(features), memory_lengths(input));
    memory.states = encoder_->forward(memory.states, memory.rows, gradient_checkpointing_);
    return memory;
  }

  Tensor decode(const ModelInput& input, const RowStates& memory, KeyValueCache* cache) override {
    const RowLayout rows = row_layout(input);
    take_across_back(rows, memory.rows, input.aside, kAcross);
    return stack_->forward(input.input_ids, rows, {memory.states, memory.rows}, cache,
                           gradient_checkpointing_);
  }

  Linear head() override { return lm_head_; }
  TokenId start_token() const override { return options_.start; }
  std::int64_t decoder_layers() const override { return options_.text.n_layer; }

  std::int64_t feature_numbers(const PictureLoad& pictures) const override {
    return pictures.frames * options_.states() * resnet_->width();
  }

  PassCost cost(const Pass& pass) const override {
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
    StackPass read;
    read.tokens = source, read.rows = rows_shape(pass.source_lengths, /*causal=*/false);
    bool memory_flows = tower.flows;
    encoder_->add_cost(terms, read, memory_flows, cost.stages);
    StackPass written;
    written.tokens = pass.tokens, written.memory_tokens = source;
    written.rows = pass.rows, written.across = across_shape(pass.lengths, pass.source_lengths);
    written.memory_flows = memory_flows;
    stack_->add_cost(terms, written, cost.stages);
    const TrainedShare words = terms.of(*stack_->wte), head = terms.of(*lm_head_);
    cost.head = {options_.text.vocab_size, options_.text.n_embd,
                 head.whole || (lm_head_->weight.shares(stack_->wte->weight) && words.whole),
                 head.trains && !head.whole};
    return cost;
  }

  ModelGeometry geometry() const override {
    const gpt2::Options& text = options_.text;
    ModelGeometry g = resnet_->geometry();
    g.vocab_size = text.vocab_size, g.hidden_size = text.n_embd;
    g.num_hidden_layers = text.n_layer;
    g.num_attention_heads = g.num_key_value_heads = text.n_head;
    g.head_dim = text.n_embd / text.n_head;
    g.tied_embeddings = options_.tie_word_embeddings;
    g.vision_tokens = options_.states();
    g.image_height = g.image_width = options_.image_size;
    return g;
  }

 private:
  std::vector<std::int64_t> memory_lengths(const ModelInput& input) const {
    return luthier::memory_lengths(options_.states(), input.pictures.size(), input.lengths.size());
  }

  Options options_;
  std::shared_ptr<ResnetBody> resnet_;
  std::shared_ptr<LevelEncoder> encoder_;
  std::shared_ptr<GatedStack> stack_;
  Linear lm_head_{nullptr};
};

Result<Plan> read(const Json& config, const std::filesystem::path& folder) {
  LUTHIER_TRY(const Options options, read_options(config, (folder / "config.json").string()));
  Plan plan;
  plan.build = builder<VisualGpt>(options);
  plan.pictures = map_captions(options.image_size, options.states(), options.start, options.end);
  plan.initializer_range = options.text.initializer_range;
  plan.initializer_ranges = [options](const std::string& name) {
    return name.starts_with("transformer.") ? gpt2::drawn_range(options.text, name)
                                            : options.text.initializer_range;
  };
  plan.longest_row = options.text.n_positions;
  return plan;
}

bool may_be_turned(const std::string& name) {
  return name.starts_with("transformer.") && gpt2::is_turned_name(name);
}

}  // namespace visualgpt

extern const Family visualgpt_family;
const Family visualgpt_family = [] {
  Family family{"visualgpt", /*takes_pictures=*/true, visualgpt::read, same_name, same_name};
  family.may_be_turned = visualgpt::may_be_turned;
  return family;
}();

}  // namespace luthier
