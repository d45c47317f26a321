// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/clipcap/clipcap_options.h"

#include "engine/models/config_numbers.h"
#include "engine/models/tower_model.h"

namespace luthier::clipcap {

namespace {

Result<MapperOptions> read_mapper(const Json& config, const std::string& where, std::int64_t vector,
                                  std::int64_t width) {
  MapperOptions o;
  o.vector = vector, o.width = width;
  LUTHIER_TRY(const std::string mapping, json_string(config, "mapping_type", where, "mlp"));
  if (mapping != "mlp" && mapping != "transformer")
    return input_error("The mapping_type \"" + mapping + "\" is not known.",
                       where + ": mapping_type", "It is mlp or transformer.");
  o.mapping = mapping == "mlp" ? Mapping::Mlp : Mapping::Transformer;
  LUTHIER_CHECK(read_in_range(config, "prefix_length", where, 1, 1 << 12, o.prefix_length));
  o.clip_length = o.prefix_length;
  LUTHIER_CHECK(read_in_range(config, "prefix_length_clip", where, 1, 1 << 12, o.clip_length));
  LUTHIER_CHECK(read_in_range(config, "num_layers", where, 1, 1 << 10, o.layers));
  LUTHIER_CHECK(read_in_range(config, "num_heads", where, 1, 1 << 12, o.heads));
  if (o.mapping == Mapping::Transformer && width % o.heads != 0)
    return input_error("n_embd is " + std::to_string(width) + ", no multiple of the mapper's " +
                           std::to_string(o.heads) + " heads.",
                       where + ": num_heads");
  if (o.mapping == Mapping::Mlp && width * o.prefix_length < 2)
    return input_error("A prefix of one number has nothing to be made of.",
                       where + ": prefix_length", "Raise it.");
  return o;
}

}  // namespace

Result<Options> read_options(const Json& config, const std::string& where) {
  Options o;
  LUTHIER_TRY(const Json vision, config_section(config, "vision_config", where));
  LUTHIER_TRY(const Json text, config_section(config, "text_config", where));
  const std::string picture = where + ": vision_config", words = where + ": text_config";
  LUTHIER_TRY(o.vision, read_vision_tower_options(vision, picture));
  if (!o.vision.class_embedding)
    return input_error("The vision tower has no class token, whose state is the picture's.",
                       picture + ": model_type", "It is clip_vision_model.");
  std::int64_t vector = 512;
  LUTHIER_CHECK(read_in_range(vision, "projection_dim", picture, 1, 1 << 20, vector));
  LUTHIER_TRY(const std::string type, json_string(text, "model_type", words, "gpt2"));
  if (type != "gpt2")
    return input_error("The language model \"" + type + "\" is not one that is built here.",
                       words + ": model_type", "It is gpt2.");
  LUTHIER_TRY(o.text, gpt2::read_options(text, words));
  if (o.text.across)
    return input_error("A prefix stands before the words, and nothing looks across to it.",
                       words + ": add_cross_attention", "It must be false.");
  LUTHIER_TRY(o.mapper, read_mapper(config, where, vector, o.text.n_embd));
  if (o.mapper.prefix_length >= o.text.n_positions)
    return input_error("A prefix of " + std::to_string(o.mapper.prefix_length) +
                           " leaves no place for a caption among " +
                           std::to_string(o.text.n_positions) + " positions.",
                       where + ": prefix_length", "Make it shorter.");
  LUTHIER_TRY(o.normalize_prefix, json_bool(config, "normalize_prefix", where, false));
  constexpr std::int64_t kMostIds = 1 << 24;
  LUTHIER_TRY(o.image_token_id,
              read_image_token(config, {"image_token_id"}, o.text.vocab_size, kMostIds, where));
  LUTHIER_TRY(o.end, json_int(text, "eos_token_id", words, o.end));
  o.tie_word_embeddings = o.text.tie_word_embeddings;
  return o;
}

}  // namespace luthier::clipcap
