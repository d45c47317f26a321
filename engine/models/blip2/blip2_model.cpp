// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/blip2/blip2_model.h"

namespace luthier {

Blip2Model::Blip2Model(const Blip2Options& o, const torch::TensorOptions& t)
    : bridge_(o.bridge, o.text.decoder.hidden_size, *this, t) {
  declare_part(kVisionTower, kBridgeTower);
  for (const char* prefix : kBridgeProjector) declare_part(kProjector, prefix);
  const QFormerOptions& q = o.bridge.qformer;
  add_parameter("query_tokens", query_tokens_, {1, q.queries, q.hidden_size}, t);
  const auto language = std::make_shared<LanguageHalf>(o.text, t);
  const Linear head =
      language->register_module("lm_head", head_of(language->decoder, o.tie_word_embeddings, t));
  hold(language->decoder, head, o.image_token_id);
  register_module("language_model", language);
}

void Blip2Model::prepare(ModelInput& input) const {
  TowerModel::prepare(input);
  bridge_.prepare(input);
}

DecoderEntry Blip2Model::add_entry_cost(const Pass& pass, PassCost& cost) const {
  DecoderModel::add_entry_cost(pass, cost);
  Stage& inputs = cost.stages.back();
  if (tower_cost(pass).trains) inputs.kept += pass.terms.floats(pass.pictures.numbers);
  inputs.moments = {{inputs.kept, 0}};
  DecoderEntry entry;
  entry.flows = bridge_.add_cost(pass, pass.terms.of(*this), cost);
  return entry;
}

ModelGeometry Blip2Model::geometry() const {
  const BlipTowerOptions& vision = bridge_.options.vision;
  ModelGeometry g = describe(vision);
  g.vision_tokens = vision.tokens();
  g.image_tokens = bridge_.options.qformer.queries;
  g.image_height = vision.image_height, g.image_width = vision.image_width;
  return g;
}

Result<TokenId> read_query_token(const Json& config, const std::string& where,
                                 std::int64_t vocabulary) {
  bool named = false;
  for (const char* key : {"image_token_index", "image_token_id"}) {
    const auto found = config.find(key);
    named = named || (found != config.end() && !found->is_null());
  }
  if (!named)
    return input_error("config.json names no token that stands for a picture's queries.",
                       where + ": image_token_index",
                       "Files of before 2024 lack it: save model and processor once with "
                       "transformers 4.46 or later, with the token <image> added.");
  return read_image_token(config, {"image_token_index", "image_token_id"}, -1, vocabulary, where);
}

Result<Blip2Options> read_blip2_options(const Json& config, const std::string& where,
                                        bool instructed) {
  Blip2Options o;
  LUTHIER_TRY(o.bridge, read_bridge_options(config, where, instructed));
  LUTHIER_TRY(const Json text, config_section(config, "text_config", where));
  LUTHIER_TRY(o.text, read_language_options(text, where + ": text_config", "opt"));
  o.tie_word_embeddings = o.text.decoder.tie_word_embeddings;
  LUTHIER_TRY(o.image_token_id, read_query_token(config, where, o.text.decoder.vocab_size));
  return o;
}

}  // namespace luthier
