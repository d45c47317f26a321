// SPDX-License-Identifier: GPL-3.0-or-later
// FIBER (Dou et al. 2022) in its coarse stage: Swin and RoBERTa as two towers whose points are held
// against one another, and the same two with their last layers looking across, which say whether a
// text and a picture belong together, what was covered in the text, or which answer a question has.
// transformers has no class; the names of the heads are the authors' (FIBERTransformerSS), and
// which parts are read by which task is theirs. A picture's places are averaged before the product
// into the common space, theirs behind it, which is the same.
#include "engine/models/fiber/fiber.h"

#include "engine/models/bert/named_parts.h"
#include "engine/models/bert/text_encoder.h"
#include "engine/models/row_memory.h"
#include "engine/models/two_towers/pair_texts.h"
#include "engine/models/two_towers/two_tower_parts.h"

namespace luthier {

namespace fiber {

namespace {

/// What prepare() sets aside: where rows begin, and how those with a picture lie.
constexpr const char *kFirstWords = "fiber_starts", *kShownRows = "fiber_words";
constexpr PredictionNames kWords{"mlm_score.transform.dense", "mlm_score.transform.LayerNorm",
                                 "mlm_score.decoder", "mlm_score"};
constexpr double kWordsEps = 1e-12;  // the authors make this head by RobertaConfig's defaults

}  // namespace

Fiber::Fiber(const Options& o, const torch::TensorOptions& t)
    : options_(o),
      backbone_(*this, o, t),
      image_(*this, "cross_modal_image_transform", "cross_modal_image_pooler", image_width(),
             o.hidden_size, t),
      text_(*this, "cross_modal_text_transform", "cross_modal_text_pooler", o.layer.hidden,
            o.hidden_size, t) {
  declare_part(kVisionTower, "swin.");
  for (const char* head : {"image_fusion.", "text_fusion.", "cross_modal_", "itm_score.",
                           "mlm_score.", "vqa_classifier.", "temp"})
    declare_part(kProjector, head);
  const std::int64_t space = o.hidden_size;
  if (o.answers) {
    answers_ = std::make_unique<AnswerProducts>(*this, 2 * space, o.answers->numbers(), t);
    return;
  }
  const auto alone = [&](const char* transform, const char* pooler, std::int64_t width) {
    return std::make_unique<SideHead>(*this, transform, o.itc_pooler ? pooler : nullptr, width,
                                      space, t);
  };
  image_alone_ =
      alone("cross_modal_image_transform_itc", "cross_modal_image_pooler_itc", image_width());
  text_alone_ =
      alone("cross_modal_text_transform_itc", "cross_modal_text_pooler_itc", o.layer.hidden);
  itm_ = register_at(*this, "itm_score.fc", Linear(2 * space, 2, true, t));
  PredictionSizes sizes;
  sizes.hidden = sizes.width = space, sizes.words = o.tables.words;
  sizes.layer_norm_eps = kWordsEps, sizes.tied = false, sizes.bias_beside = true;
  predictions_ =
      std::make_unique<Predictions>(*this, kWords, sizes, backbone_.embeddings()->words, t);
  add_parameter("temp", temp_, {}, t);
}

Tensor Fiber::first_words(const ModelInput& input) {
  const auto aside = input.aside.find(kFirstWords);
  const Tensor starts = aside != input.aside.end() ? aside->second : row_starts(input.lengths);
  return starts.to(input.input_ids.device());
}

void Fiber::prepare(ModelInput& input) const {
  check_token_types(input, options_.tables.types);
  Model::prepare(input);
  input.aside[kFirstWords] = row_starts(input.lengths);
  if (input.pictures.empty() || input.pictures.size() > input.lengths.size()) return;
  const RowLayout shown(shown_lengths(input));
  shown.set_aside(input.aside, kShownRows);
  backbone_.set_aside(shown, input.aside);
}

Tensor Fiber::match(const ModelInput& input, const Pairs& pairs) {
  const PairTexts texts = texts_of(pairs, input);
  const Tensor types =
      input.token_types.defined() ? input.token_types.index_select(0, texts.words) : Tensor();
  const Tensor shown = begun(input)
                           .view({-1, backbone_.places(), backbone_.width()})
                           .index_select(0, texts.pictures)
                           .flatten(0, 1);
  const Backbone::Fused both = backbone_.fused(shown, input.input_ids.index_select(0, texts.words),
                                               types, backbone_.rows_of(RowLayout(texts.lengths)),
                                               /*images_too=*/true, gradient_checkpointing_);
  return itm_->forward(together(both, texts.begins()));
}

Tensor Fiber::text(const ModelInput& input, std::int64_t rows) {
  const Tensor states = backbone_.texts(input.input_ids, input.token_types, row_layout(input),
                                        gradient_checkpointing_);
  const Tensor starts = first_words(input).slice(0, 0, rows);
  return unit_vectors(text_alone_->forward(states.index_select(0, starts)));
}

Tensor Fiber::classify(const ModelInput& input) {
  const auto shown = static_cast<std::int64_t>(input.pictures.size());
  const Tensor both =
      together(read(input, /*images_too=*/true), first_words(input).slice(0, 0, shown));
  return with_filler(answers_->forward(both), std::ssize(input.lengths));
}

ModelGeometry Fiber::geometry() const {
  ModelGeometry g;
  g.vocab_size = options_.tables.words, g.hidden_size = options_.layer.hidden;
  g.num_hidden_layers = options_.num_hidden_layers;
  g.num_attention_heads = g.num_key_value_heads = options_.layer.heads;
  g.head_dim = options_.layer.hidden / options_.layer.heads;
  g.vision_hidden_size = image_width(), g.vision_layers = options_.image_layers();
  g.image_height = options_.vision.image_height, g.image_width = options_.vision.image_width;
  return g;
}

Backbone::Fused Fiber::read(const ModelInput& input, bool images_too) {
  RowLayout words(shown_lengths(input));
  words.take_back(input.aside, kShownRows);
  FusedRows lain = backbone_.rows_of(words);
  backbone_.take_back(lain, input.aside);
  const Tensor types =
      input.token_types.defined() ? input.token_types.slice(0, 0, words.tokens()) : Tensor();
  return backbone_.fused(begun(input), input.input_ids.slice(0, 0, words.tokens()), types, lain,
                         images_too, gradient_checkpointing_);
}

namespace {

Result<Plan> read_fiber(const Json& config, const std::filesystem::path& folder) {
  LUTHIER_TRY(const Options options, read_options(config, (folder / "config.json").string()));
  Plan plan;
  plan.build = [options](const torch::TensorOptions& tensors, HeadWeight) {
    return std::shared_ptr<Model>(std::make_shared<Fiber>(options, tensors));
  };
  plan.pictures = pictures_beside("BlipImageProcessor", options.vision.smallest_frame());
  plan.initializer_range = options.text_range;
  plan.initializer_ranges = [options](const std::string& name) {
    return name.starts_with("swin.") ? options.vision.initializer_range : options.text_range;
  };
  plan.longest_row = longest_row(options.tables);
  plan.labels.classes = options.answers;
  return plan;
}

std::string name_in_memory(const std::string& stored) {
  return stored.starts_with("swin.") ? swin_memory_name(stored) : stored;
}
std::string name_in_files(const std::string& memory) {
  return memory.starts_with("swin.") ? swin_stored_name(memory) : memory;
}

}  // namespace

}  // namespace fiber

extern const Family fiber_family;
const Family fiber_family = [] {
  Family family{"fiber", /*takes_pictures=*/true, fiber::read_fiber, fiber::name_in_memory,
                fiber::name_in_files};
  family.class_heads.rows = fiber::kAnswers;
  return family;
}();

}  // namespace luthier
