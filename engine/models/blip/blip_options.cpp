// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/blip/blip_options.h"

#include <algorithm>

#include "engine/models/bert/text_encoder.h"
#include "engine/models/config_numbers.h"
#include "engine/models/tower_model.h"

namespace luthier::blip {

using torch::Tensor;

namespace {

Result<Task> read_task(const Json& config, const std::string& where) {
  const auto list = config.find("architectures");
  const bool named =
      list != config.end() && list->is_array() && list->size() == 1 && list->front().is_string();
  const std::string name = named ? list->front().get<std::string>() : std::string();
  if (name == "BlipForConditionalGeneration") return Task::Caption;
  if (name == "BlipForQuestionAnswering") return Task::Answer;
  if (name == "BlipForImageTextRetrieval") return Task::Retrieve;
  return input_error(named ? "BLIP's class " + name + " is not one that Luthier can load."
                           : "The configuration does not name the one class that it is of.",
                     where + ": architectures",
                     "It is BlipForConditionalGeneration, BlipForQuestionAnswering or "
                     "BlipForImageTextRetrieval.");
}

/// A share from 0 to 1.
Result<double> read_smoothing(const Json& text, const std::string& where) {
  LUTHIER_TRY(const double share, json_number(text, "label_smoothing", where, 0.0));
  if (share >= 0 && share <= 1) return share;
  return input_error("label_smoothing must be between 0 and 1.", where + ": label_smoothing");
}

Status read_text(const Json& config, const std::string& where, Options& o) {
  LUTHIER_TRY(const std::string type, json_string(config, "model_type", where, "blip_text_model"));
  if (type != "blip_text_model")
    return input_error("The text model \"" + type + "\" is not this family's.",
                       where + ": model_type", "It is blip_text_model.");
  LUTHIER_TRY(const bool looks, json_bool(config, "is_decoder", where, true));
  if (!looks)
    return input_error("The text model does not look across to pictures.", where + ": is_decoder",
                       "It must be true.");
  TextEncoderOptions read;
  read.tables.words = 30524, read.tables.positions = 512, read.tables.padding = 0;
  read.layer.heads = 8;
  Json sizes = config;  // what BlipTextConfig has in common with BERT's
  for (const char* key : {"is_decoder", "type_vocab_size", "architectures", "add_cross_attention"})
    sizes.erase(key);
  LUTHIER_CHECK(read_text_encoder(sizes, where, read));
  o.text.tables = read.tables, o.text.layer = read.layer;
  o.text.tables.width = read.layer.hidden;
  o.text.num_hidden_layers = read.num_hidden_layers;
  o.text_range = read.initializer_range;
  o.tie_word_embeddings = read.tie_word_embeddings;
  const std::int64_t words = o.text.tables.words;
  // Where texts are read with their pictures the next word is needed, too.
  const std::int64_t last = o.task == Task::Caption ? words - 1 : words - 2;
  LUTHIER_CHECK(read_in_range(config, "bos_token_id", where, 0, last, o.start));
  LUTHIER_CHECK(read_in_range(config, "sep_token_id", where, 0, words - 1, o.end));
  LUTHIER_TRY(o.label_smoothing, read_smoothing(config, where));
  return {};
}

}  // namespace

Result<Options> read_options(const Json& config, const std::string& where) {
  Options o;
  LUTHIER_TRY(o.task, read_task(config, where));
  LUTHIER_TRY(const Json vision, config_section(config, "vision_config", where));
  LUTHIER_TRY(const Json text, config_section(config, "text_config", where));
  LUTHIER_TRY(o.vision, read_blip_tower_options(vision, where + ": vision_config", false));
  LUTHIER_CHECK(read_text(text, where + ": text_config", o));
  o.text.memory_width = o.vision.hidden_size;
  if (o.task == Task::Answer && o.vision.hidden_size != o.text.layer.hidden)
    return input_error(
        "The decoder takes states of the tower's width, and those of questions are " +
            std::to_string(o.text.layer.hidden) + " wide.",
        where + ": vision_config: hidden_size", "BlipForQuestionAnswering has both of one width.");
  // transformers ties the head where either of the two says so.
  LUTHIER_TRY(const bool tied, json_bool(config, "tie_word_embeddings", where, true));
  o.tie_word_embeddings = o.tie_word_embeddings || tied;
  LUTHIER_CHECK(
      read_in_range(config, "image_text_hidden_size", where, 1, 1 << 20, o.image_text_hidden_size));
  LUTHIER_TRY(o.pretraining_head, json_bool(config, "pretraining_head", where, false));
  LUTHIER_TRY(o.logit_scale_init_value,
              json_number(config, "logit_scale_init_value", where, o.logit_scale_init_value));
  return o;
}

ModelGeometry geometry_of(const Options& o) {
  ModelGeometry g;
  g.vocab_size = o.text.tables.words, g.hidden_size = o.text.layer.hidden;
  g.num_hidden_layers = o.text.num_hidden_layers;
  g.num_attention_heads = g.num_key_value_heads = o.text.layer.heads;
  g.head_dim = o.text.layer.hidden / o.text.layer.heads;
  g.vision_hidden_size = o.vision.hidden_size, g.vision_layers = o.vision.num_hidden_layers;
  g.vision_heads = o.vision.num_attention_heads, g.vision_tokens = o.states();
  g.image_height = o.vision.image_height, g.image_width = o.vision.image_width;
  g.tied_embeddings = o.task != Task::Retrieve && o.tie_word_embeddings;
  return g;
}

std::vector<std::int64_t> memory_lengths(const Options& o, std::size_t pictures, std::size_t rows) {
  return luthier::memory_lengths(o.states(), pictures, rows);
}

RowStates memory_of(const Options& o, Tensor states, std::size_t pictures, std::size_t rows) {
  return luthier::memory_of(std::move(states), memory_lengths(o, pictures, rows));
}

}  // namespace luthier::blip
