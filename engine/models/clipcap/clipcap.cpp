// SPDX-License-Identifier: GPL-3.0-or-later
// ClipCap (Mokady et al. 2021; transformers has no class of it): a picture's CLIP vector becomes a
// few states that stand before a caption, which GPT-2 writes. CLIP's half has the names of
// CLIPVisionModelWithProjection, GPT-2 those of GPT2LMHeadModel, so that either loads the folder's
// tensors by itself; the mapper's are the authors'. A caption ends in GPT-2's end token, where the
// authors stop at a full stop; they fill rows up with id 0 and leave that out of the loss, here
// there is no filler and every word counts.
#include "engine/data/asked_question.h"
#include "engine/models/blip2/language_half.h"
#include "engine/models/caption_tokens.h"
#include "engine/models/clipcap/prefix_mapper.h"
#include "engine/models/family.h"
#include "engine/models/gpt2/gpt2_stack.h"
#include "engine/models/processor_files.h"
#include "engine/models/two_towers/two_tower_parts.h"
#include "engine/nn/module_cost.h"

namespace luthier {

namespace clipcap {

using torch::Tensor;

/// What prepare() sets aside.
constexpr const char* kPrefixPlaces = "prefix_places";

class ClipCap : public Model, public Causal, public PictureTower, public StepCosts {
 public:
  ClipCap(const Options& o, const torch::TensorOptions& t) : options_(o) {
    declare_part(kVisionTower, "vision_model.");
    declare_part(kVisionTower, "visual_projection.");
    declare_part(kProjector, "clip_project.");
    vision_model_ = register_module("vision_model", VisionTower(o.vision, t));
    visual_projection_ = register_module("visual_projection",
                                         Linear(o.vision.hidden_size, o.mapper.vector, false, t));
    mapper_ = register_module("clip_project", make_mapper(o.mapper, t));
    stack_ = register_module("transformer", std::make_shared<gpt2::Stack>(o.text, t));
    lm_head_ = register_module("lm_head", o.tie_word_embeddings
                                              ? Linear(stack_->wte->weight)
                                              : Linear(o.text.n_embd, o.text.vocab_size, false, t));
  }

  Causal* causal() override { return this; }
  PictureTower* picture_tower() override { return this; }
  const StepCosts* step_costs() const override { return this; }

  void prepare(ModelInput& input) const override {
    Model::prepare(input);
    if (!input.pictures.empty()) input.aside[kPrefixPlaces] = places(input);
  }

  /// CLIP's vector of each picture: [pictures, vector].
  Tensor tower(const ModelInput& input) override {
    const Tensor vectors = visual_projection_(vision_model_->pooled(input.pixel_values));
    return options_.normalize_prefix ? unit_vectors(vectors) : vectors;
  }

  TokenSequence embed(const ModelInput& input) override {
    TokenSequence sequence;
    sequence.rows = row_layout(input);
    const bool held = options_.image_token_id < options_.text.vocab_size;
    const Tensor& ids = input.input_ids;
    sequence.embeddings =
        stack_->words(held ? ids : ids.masked_fill(ids == options_.image_token_id, 0));
    if (input.pictures.empty()) return sequence;
    const Tensor vectors = input.tower_features.defined() ? input.tower_features : tower(input);
    const auto made = input.aside.find(kPrefixPlaces);
    sequence.embeddings = place_features(sequence.embeddings,
                                         made != input.aside.end() ? made->second : places(input),
                                         mapper_->forward(vectors));
    return sequence;
  }

  Tensor decode(const TokenSequence& sequence, KeyValueCache* cache) override {
    return stack_->forward(sequence.embeddings, sequence.rows, nullptr, cache,
                           gradient_checkpointing_, sequence.own);
  }

  Linear head() override { return lm_head_; }
  std::int64_t num_hidden_layers() const override { return options_.text.n_layer; }

  std::int64_t feature_numbers(const PictureLoad& pictures) const override {
    return pictures.frames * options_.mapper.vector;
  }

  PassCost cost(const Pass& pass) const override {
    const StepTerms& terms = pass.terms;
    const TowerCost tower = tower_cost(pass);
    const TrainedShare words = terms.of(*stack_->wte), head = terms.of(*lm_head_);
    PassCost cost;
    Stage inputs;
    inputs.kept = 2 * terms.block(pass.tokens, 8);  // ids and labels
    if (tower.trains) inputs.kept += terms.floats(pass.pictures.numbers);
    inputs.moments = {{inputs.kept, words.whole ? terms.block(stack_->wte->weight.numel()) : 0}};
    inputs.gradients = words.parameters * terms.gradient_element;
    cost.stages = {inputs};
    tower.add_to(cost, terms.block(feature_numbers(pass.pictures)));
    bool flows = tower.flows;
    mapper_->add_cost(terms, pass.pictures.frames, flows, cost.stages);
    StackPass through;
    through.tokens = pass.tokens;
    through.rows = pass.rows;
    flows = flows || words.trains;
    stack_->add_cost(terms, through, pass.asked > 0 ? pass.asked : pass.tokens, flows, cost.stages);
    cost.head.vocabulary = options_.text.vocab_size, cost.head.width = options_.text.n_embd;
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
    const gpt2::Options& text = options_.text;
    const VisionTowerOptions& v = options_.vision;
    g.vocab_size = text.vocab_size, g.hidden_size = text.n_embd;
    g.num_hidden_layers = text.n_layer;
    g.num_attention_heads = g.num_key_value_heads = text.n_head;
    g.head_dim = text.n_embd / text.n_head;
    g.tied_embeddings = options_.tie_word_embeddings;
    g.vision_hidden_size = v.hidden_size, g.vision_layers = v.num_hidden_layers;
    g.vision_heads = v.num_attention_heads, g.vision_tokens = v.tokens();
    g.image_tokens = options_.mapper.prefix_length;
    g.image_height = v.image_height, g.image_width = v.image_width;
    return g;
  }

 private:
  Tensor places(const ModelInput& input) const {
    return (input.input_ids == options_.image_token_id).nonzero().squeeze(1);
  }

  TowerCost tower_cost(const Pass& pass) const {
    TowerCost tower = vision_model_->pooled_cost(pass);
    const ProductsCost product =
        products_cost(pass.terms, {visual_projection_}, pass.pictures.frames);
    tower.add_part(pass.terms, pass.terms.of(*visual_projection_), product.input + product.numbers,
                   product.work);
    return tower;
  }

  Options options_;
  VisionTower vision_model_{nullptr};
  Linear visual_projection_{nullptr};
  std::shared_ptr<PrefixMapper> mapper_;
  std::shared_ptr<gpt2::Stack> stack_;
  Linear lm_head_{nullptr};
};

ProcessorDefaults picture_processor() { return {"CLIPImageProcessor"}; }

/// The prefix stands before the question, which may be empty, and the caption goes on from there.
Result<ImageTokens> image_tokens(const Options& options, const std::filesystem::path& folder) {
  LUTHIER_CHECK(check_one_frame(folder, picture_processor(), options.vision.image_height,
                                options.vision.image_width));
  LanguageOptions language;
  language.end = options.end, language.decoder.vocab_size = options.text.vocab_size;
  LUTHIER_TRY(const TokenId end, answer_end(language, folder));
  ImageTokens tokens;
  LUTHIER_TRY(tokens.mark, tokenizer_attribute(folder, "image_token", "<image>"));
  tokens.form = RowForm::PrefixSuffix;
  const std::string prefix = repeated(tokens.mark, options.mapper.prefix_length);
  tokens.expand = [prefix](const PixelValues&) { return prefix; };
  tokens.ask = [end](const std::string& question) -> Result<std::string> {
    return written({question, end, {}});
  };
  return tokens;
}

Result<Plan> read(const Json& config, const std::filesystem::path& folder) {
  LUTHIER_TRY(const Options options, read_options(config, (folder / "config.json").string()));
  Plan plan;
  plan.build = builder<ClipCap>(options);
  plan.pictures =
      PicturePlan{options.image_token_id, picture_processor(),
                  [options](const auto& files) { return image_tokens(options, files); }};
  plan.initializer_range = options.text.initializer_range;
  plan.initializer_ranges = [options](const std::string& name) {
    return name.starts_with("transformer.") ? gpt2::drawn_range(options.text, name)
           : name.starts_with("vision_") || name.starts_with("visual_")
               ? options.vision.initializer_range
               : options.text.initializer_range;
  };
  plan.longest_row = options.text.n_positions;
  return plan;
}

/// The authors' files have GPT-2 within "gpt.".
std::string memory_name(const std::string& stored) {
  constexpr std::string_view kAuthors = "gpt.";
  return stored.starts_with(kAuthors) ? stored.substr(kAuthors.size()) : stored;
}

/// Of GPT-2 alone: the mapper's products are torch's Linear.
bool may_be_turned(const std::string& name) {
  return name.starts_with("transformer.") && gpt2::is_turned_name(name);
}

}  // namespace clipcap

extern const Family clipcap_family;
const Family clipcap_family = [] {
  Family family{"clipcap", /*takes_pictures=*/true, clipcap::read, clipcap::memory_name, same_name};
  family.may_be_turned = clipcap::may_be_turned;
  return family;
}();

}  // namespace luthier
