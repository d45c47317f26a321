// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/blip2/blip2_model.h"

#include <algorithm>

#include "engine/models/config_numbers.h"
#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

// What prepare() sets aside.
constexpr const char *kQueryPlaces = "qformer_queries", *kTextPlaces = "qformer_texts",
                     *kBackPlaces = "qformer_back", *kTextPositions = "qformer_positions";

}  // namespace

Blip2Model::Blip2Model(const Blip2Options& o, const torch::TensorOptions& t) : options_(o) {
  declare_part(kVisionTower, "vision_model.");
  for (const char* prefix : {"query_tokens", "qformer.", "language_projection."})
    declare_part(kProjector, prefix);
  add_parameter("query_tokens", query_tokens_, {1, o.qformer.queries, o.qformer.hidden_size}, t);
  vision_model_ = register_module("vision_model", BlipTower(o.vision, t));
  qformer_ = register_module("qformer", std::make_shared<QFormer>(o.qformer, t));
  language_projection_ =
      register_module("language_projection",
                      Linear(o.qformer.hidden_size, o.text.decoder.hidden_size, /*bias=*/true, t));
  const auto language = std::make_shared<LanguageHalf>(o.text, t);
  const Linear head =
      language->register_module("lm_head", head_of(language->decoder, o.tie_word_embeddings, t));
  hold(language->decoder, head, o.image_token_id);
  register_module("language_model", language);
}

void Blip2Model::start_own_tensors() { query_tokens_.zero_(); }

Tensor Blip2Model::tower(const ModelInput& input) {
  return vision_model_->forward(input.pixel_values).flatten(0, 1);
}

QFormerTexts Blip2Model::texts_of(const ModelInput& input, std::int64_t pictures) const {
  QFormerTexts texts;
  if (!options_.qformer.own_words || !input.source_ids.defined() || input.source_ids.numel() == 0)
    return texts;
  TORCH_CHECK(static_cast<std::int64_t>(input.source_lengths.size()) >= pictures,
              "each picture goes with one instruction");
  std::int64_t tokens = 0;
  for (std::int64_t row = 0; row < pictures; ++row) {
    texts.lengths.push_back(input.source_lengths[static_cast<std::size_t>(row)]);
    tokens += texts.lengths.back();
  }
  texts.ids = input.source_ids.slice(0, 0, tokens);
  return texts;
}

void Blip2Model::prepare(ModelInput& input) const {
  TowerModel::prepare(input);
  const QFormerTexts texts = texts_of(input, static_cast<std::int64_t>(input.pictures.size()));
  if (!texts.ids.defined()) return;
  const QFormerPlaces places = qformer_places(options_.qformer.queries, texts.lengths);
  input.aside[kQueryPlaces] = places.queries, input.aside[kTextPlaces] = places.texts;
  input.aside[kBackPlaces] = places.back, input.aside[kTextPositions] = places.positions;
}

Tensor Blip2Model::project(const Tensor& features, const ModelInput& input) {
  const std::int64_t pictures = features.size(0) / options_.vision.tokens();
  const QFormerTexts texts = texts_of(input, pictures);
  QFormerPlaces places;
  if (const auto made = input.aside.find(kQueryPlaces); made != input.aside.end()) {
    places = {made->second, input.aside.at(kTextPlaces), input.aside.at(kBackPlaces),
              input.aside.at(kTextPositions)};
  } else if (texts.ids.defined()) {
    places = qformer_places(options_.qformer.queries, texts.lengths);
    for (Tensor* each : {&places.queries, &places.texts, &places.back, &places.positions})
      *each = each->to(features.device());
  }
  return language_projection_(qformer_->forward(query_tokens_, features, pictures, texts, places));
}

std::int64_t Blip2Model::feature_numbers(const PictureLoad& pictures) const {
  return pictures.frames * options_.vision.tokens() * options_.vision.hidden_size;
}

TowerCost Blip2Model::tower_cost(const Pass& pass) const { return vision_model_->cost(pass); }

ProjectorCost Blip2Model::projector_cost(const Pass& pass) const {
  const ProductsCost product = products_cost(pass.terms, {language_projection_},
                                             pass.pictures.frames * options_.qformer.queries);
  ProjectorCost cost;
  cost.trains = product.trains;
  cost.kept = product.input + product.numbers;
  cost.work = product.work;
  cost.gradients = pass.terms.of(*language_projection_).parameters * pass.terms.gradient_element;
  return cost;
}

/// The Q-Former's layers are stages of their own: it keeps more than a projector does.
DecoderEntry Blip2Model::add_entry_cost(const Pass& pass, PassCost& cost) const {
  const StepTerms& terms = pass.terms;
  const TowerCost tower = tower_cost(pass);
  DecoderModel::add_entry_cost(pass, cost);
  Stage& inputs = cost.stages.back();
  if (tower.trains) inputs.kept += terms.floats(pass.pictures.numbers);
  inputs.moments = {{inputs.kept, 0}};
  tower.add_to(cost, terms.block(feature_numbers(pass.pictures)));
  if (pass.pictures.frames == 0) return {};
  QFormerPass queries;
  queries.pictures = pass.pictures.frames;
  queries.picture_tokens = options_.vision.tokens();
  queries.memory_flows = tower.flows;
  if (options_.qformer.own_words) {
    const auto rows = static_cast<std::size_t>(pass.pictures.frames);
    queries.texts = pass.source_lengths;
    queries.texts.resize(std::min(rows, queries.texts.size()));
  }
  const TrainedShare own = terms.of(*this);  // the queries
  bool flows = own.trains;
  Stage first;
  first.gradients = own.parameters * terms.gradient_element;
  // What a tower that trains gives stands for the products that look at it.
  if (tower.trains) first.kept = terms.block(feature_numbers(pass.pictures));
  first.moments = {{first.kept, 0}};
  cost.stages.push_back(first);
  qformer_->add_cost(terms, queries, flows, cost.stages);
  const ProjectorCost last = projector_cost(pass);
  cost.stages.push_back({last.kept, {{last.kept, last.work}}, last.gradients});
  DecoderEntry entry;
  entry.flows = flows || last.trains;
  return entry;
}

ModelGeometry Blip2Model::geometry() const {
  ModelGeometry g = describe(options_.vision);
  g.vision_tokens = options_.vision.tokens();
  g.image_tokens = options_.qformer.queries;
  g.image_height = options_.vision.image_height, g.image_width = options_.vision.image_width;
  return g;
}

Result<Blip2Options> read_blip2_options(const Json& config, const std::string& where,
                                        bool instructed) {
  Blip2Options o;
  LUTHIER_TRY(const Json vision, config_section(config, "vision_config", where));
  LUTHIER_TRY(const Json qformer, config_section(config, "qformer_config", where));
  LUTHIER_TRY(const Json text, config_section(config, "text_config", where));
  LUTHIER_TRY(o.vision, read_blip_tower_options(vision, where + ": vision_config", true));
  std::int64_t queries = 32;
  LUTHIER_CHECK(read_in_range(config, "num_query_tokens", where, 1, 1 << 16, queries));
  LUTHIER_TRY(o.qformer, read_qformer_options(qformer, where + ": qformer_config",
                                              o.vision.hidden_size, queries, instructed));
  LUTHIER_TRY(o.text, read_language_options(text, where + ": text_config", "opt"));
  o.tie_word_embeddings = o.text.decoder.tie_word_embeddings;
  const auto image = config.find("image_token_index");
  const auto newer = config.find("image_token_id");
  if ((image == config.end() || image->is_null()) && (newer == config.end() || newer->is_null()))
    return input_error("config.json names no token that stands for a picture's queries.",
                       where + ": image_token_index",
                       "Files of before 2024 lack it: save model and processor once with "
                       "transformers 4.46 or later, with the token <image> added.");
  LUTHIER_TRY(o.image_token_id, read_image_token(config, {"image_token_index", "image_token_id"},
                                                 -1, o.text.decoder.vocab_size, where));
  return o;
}

}  // namespace luthier
