// SPDX-License-Identifier: GPL-3.0-or-later
// A picture encoder and a text decoder that looks across to it (Vinyals et al. 2015's captioner of
// today's parts; VisionEncoderDecoderModel of transformers 5.17): ViT's states, a product where the
// widths differ, and GPT-2 or BERT with cross-attention in each layer. Labels are the decoder's own
// tokens, one later than what it reads, and are not shifted a second time.
#include <algorithm>
#include <numeric>

#include "engine/models/family.h"
#include "engine/models/gpt2/gpt2_options.h"
#include "engine/models/processor_files.h"
#include "engine/models/row_memory.h"
#include "engine/models/tower_model.h"
#include "engine/models/vision_encoder_decoder/written_half.h"
#include "engine/models/vit/picture_transformer.h"
#include "engine/models/vit/vit_names.h"
#include "engine/nn/module_cost.h"

namespace luthier {

namespace captioner {

using torch::Tensor;

/// What prepare() sets aside.
constexpr const char* kAcross = "across";

struct Options {
  PictureTransformerOptions vision;
  WrittenOptions text;
  TokenId start = 0;
  bool tie_word_embeddings = true;

  bool projects() const { return vision.hidden_size != text.width; }
  std::int64_t states() const { return vision.patches() + 1; }  ///< of a picture
};

class Part : public torch::nn::Module {};

class Captioner : public Model, public SequenceToSequence, public PictureTower, public StepCosts {
 public:
  Captioner(const Options& o, const torch::TensorOptions& t) : options_(o) {
    encoder_ = register_module("encoder", std::make_shared<PictureTransformer>(o.vision, t));
    pooler_ =
        encoder_->register_module("pooler", std::make_shared<Part>())
            ->register_module("dense", Linear(o.vision.hidden_size, o.vision.hidden_size, true, t));
    decoder_ = register_module("decoder", o.text.build(o.tie_word_embeddings, t));
    declare_part(kVisionTower, "encoder.");
    if (!o.projects()) return;
    declare_part(kProjector, "enc_to_dec_proj.");
    projector_ =
        register_module("enc_to_dec_proj", Linear(o.vision.hidden_size, o.text.width, true, t));
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
    return encoder_->states(input.pixel_values).flatten(0, 1);
  }
  std::int64_t feature_rows(const PictureFacts&) const override { return options_.states(); }

  /// Row by row the states of its one picture; filler looks across to nothing.
  RowStates encode(const ModelInput& input) override {
    const Tensor features = input.tower_features.defined() ? input.tower_features : tower(input);
    Tensor states = projector_ ? projector_->forward(features) : features;
    return memory_of(std::move(states), memory_lengths(input));
  }

  Tensor decode(const ModelInput& input, const RowStates& memory, KeyValueCache* cache) override {
    const RowLayout rows = row_layout(input);
    take_across_back(rows, memory.rows, input.aside, kAcross);
    return decoder_->forward(input.input_ids, rows, memory, cache, gradient_checkpointing_);
  }

  Linear head() override { return decoder_->head(); }
  TokenId start_token() const override { return options_.start; }
  std::int64_t decoder_layers() const override { return options_.text.layers; }

  std::int64_t feature_numbers(const PictureLoad& pictures) const override {
    return pictures.frames * options_.states() * options_.vision.hidden_size;
  }

  PassCost cost(const Pass& pass) const override {
    const StepTerms& terms = pass.terms;
    const std::int64_t source =
        std::accumulate(pass.source_lengths.begin(), pass.source_lengths.end(), std::int64_t{0});
    const TowerCost tower = encoder_->cost(pass);
    PassCost cost;
    Stage inputs;
    inputs.kept = 2 * terms.block(pass.tokens, 8) + terms.block(source, 8);
    if (tower.trains) inputs.kept += terms.floats(pass.pictures.numbers);
    inputs.moments = {{inputs.kept, 0}};
    cost.stages = {inputs};
    tower.add_to(cost, terms.block(feature_numbers(pass.pictures)));
    cost.unreached += terms.of(*pooler_).parameters;
    bool memory_flows = tower.flows;
    if (projector_) {
      const ProductsCost product = products_cost(terms, {projector_}, source);
      Stage across;
      across.kept = product.input + product.numbers;
      across.moments = {{across.kept, product.work}};
      across.gradients = terms.of(*projector_).parameters * terms.gradient_element;
      cost.stages.push_back(across);
      memory_flows = memory_flows || product.trains;
    }
    StackPass written;
    written.tokens = pass.tokens, written.memory_tokens = source;
    written.rows = pass.rows, written.across = across_shape(pass.lengths, pass.source_lengths);
    written.memory_flows = memory_flows;
    std::vector<Stage> layers;
    cost.head = decoder_->add_cost(terms, written, cost.stages.front(), layers);
    cost.stages.insert(cost.stages.end(), layers.begin(), layers.end());
    return cost;
  }

  ModelGeometry geometry() const override {
    ModelGeometry g = encoder_->geometry();
    const WrittenOptions& text = options_.text;
    g.vocab_size = text.words, g.hidden_size = text.width;
    g.num_hidden_layers = text.layers;
    g.num_attention_heads = g.num_key_value_heads = text.heads;
    g.head_dim = text.width / text.heads;
    g.tied_embeddings = options_.tie_word_embeddings;
    return g;
  }

 private:
  std::vector<std::int64_t> memory_lengths(const ModelInput& input) const {
    return luthier::memory_lengths(options_.states(), input.pictures.size(), input.lengths.size());
  }

  Options options_;
  std::shared_ptr<PictureTransformer> encoder_;
  Linear pooler_{nullptr};  ///< of the encoder's class, and nothing asks it
  std::shared_ptr<WrittenHalf> decoder_;
  Linear projector_{nullptr};
};

Result<Options> read_options(const Json& config, const std::string& where) {
  Options o;
  LUTHIER_TRY(const Json vision, config_section(config, "encoder", where));
  LUTHIER_TRY(const Json text, config_section(config, "decoder", where));
  const auto not_built = [&](const char* name, const std::string& type, const char* known) {
    return input_error(std::string("The ") + name + " \"" + type + "\" is not one that is built.",
                       where + ": " + name + ": model_type", std::string("It is ") + known + ".");
  };
  LUTHIER_TRY(const std::string read_by,
              json_string(vision, "model_type", where + ": encoder", ""));
  LUTHIER_TRY(const std::string written_by,
              json_string(text, "model_type", where + ": decoder", ""));
  if (read_by != "vit") return not_built("encoder", read_by, "vit");
  if (written_by != "gpt2" && written_by != "bert")
    return not_built("decoder", written_by, "gpt2 or bert");
  o.vision.patch_size = 16, o.vision.layer_norm_eps = 1e-12;
  o.vision.hidden_act = Activation::Gelu;
  LUTHIER_CHECK(read_picture_transformer(vision, where + ": encoder", o.vision));
  LUTHIER_TRY(o.text, written_by == "bert" ? read_bert_half(text, where + ": decoder")
                                           : read_gpt2_half(text, where + ": decoder"));
  const auto other = text.find("cross_attention_hidden_size");
  if (other != text.end() && !other->is_null()) {
    return input_error("A decoder that takes states of another width is not built.",
                       where + ": decoder: cross_attention_hidden_size", "Leave it out.");
  }
  LUTHIER_TRY(o.start, json_int(config, "decoder_start_token_id", where));
  if (o.start < 0 || o.start >= o.text.words) {
    return input_error("decoder_start_token_id is " + std::to_string(o.start) +
                           ", which is no token of the vocabulary.",
                       where + ": decoder_start_token_id");
  }
  o.tie_word_embeddings = o.text.tied;
  return o;
}

ProcessorDefaults picture_processor() { return {"ViTImageProcessor"}; }

/// A picture is all that is read: as many places as it has states.
Result<ImageTokens> image_tokens(const Options& options) {
  constexpr std::int64_t kMostStates = 1 << 20;
  if (options.states() > kMostStates) {
    return input_error("A picture comes to " + std::to_string(options.states()) + " states.",
                       "config.json: encoder: image_size", "Make its patches larger.");
  }
  ImageTokens tokens;
  tokens.mark.clear();
  tokens.form = RowForm::SourceAnswer;
  tokens.answer_start = options.start;
  const std::string places(static_cast<std::size_t>(options.states()), '.');
  tokens.expand = [places](const PixelValues&) { return places; };
  return tokens;
}

Result<Plan> read(const Json& config, const std::filesystem::path& folder) {
  LUTHIER_TRY(const Options options, read_options(config, (folder / "config.json").string()));
  Plan plan;
  plan.build = builder<Captioner>(options);
  plan.pictures = PicturePlan{-1, picture_processor(),
                              [options](const auto&) { return image_tokens(options); }};
  plan.initializer_range = options.vision.initializer_range;
  plan.initializer_ranges = [options](const std::string& name) {
    return name.starts_with("decoder.") ? options.text.drawn_range(name)
                                        : options.vision.initializer_range;
  };
  plan.longest_row = options.text.positions;
  return plan;
}

/// The encoder's names are ViT's, under another beginning.
std::string with_vit(const std::string& name, std::string (*exchange)(const std::string&)) {
  constexpr std::string_view kOurs = "encoder.", kVits = "vit.";
  if (!name.starts_with(kOurs)) return name;
  const std::string made = exchange(std::string(kVits) + name.substr(kOurs.size()));
  return std::string(kOurs) + made.substr(kVits.size());
}
std::string memory_name(const std::string& stored) { return with_vit(stored, vit_memory_name); }
std::string stored_name(const std::string& memory) { return with_vit(memory, vit_stored_name); }

bool may_be_turned(const std::string& name) {
  return name.starts_with("decoder.") && gpt2::is_turned_name(name);
}

}  // namespace captioner

extern const Family vision_encoder_decoder_family;
const Family vision_encoder_decoder_family = [] {
  Family family{"vision-encoder-decoder", /*takes_pictures=*/true, captioner::read,
                captioner::memory_name, captioner::stored_name};
  family.may_be_turned = captioner::may_be_turned;
  return family;
}();

}  // namespace luthier
