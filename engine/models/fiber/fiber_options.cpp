// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/fiber/fiber_options.h"

#include <algorithm>
#include <numeric>

#include "engine/models/bert/text_encoder.h"
#include "engine/models/config_numbers.h"
#include "engine/models/tower_model.h"
#include "engine/models/visual_bert/region_reader.h"

namespace luthier::fiber {

namespace {

Status check_type(const Json& section, const char* expected, const std::string& where) {
  LUTHIER_TRY(const std::string type, json_string(section, "model_type", where, expected));
  if (type == expected) return {};
  return input_error(
      "A " + std::string(expected) + " is expected here, and it is \"" + type + "\".",
      where + ": model_type");
}

Status read_texts(const Json& config, const std::string& where, Options& o) {
  LUTHIER_CHECK(check_type(config, "roberta", where));
  TextEncoderOptions read;
  read.tables.words = 50265, read.tables.positions = 514, read.tables.types = 1;
  read.tables.padding = 1;
  read.layer.layer_norm_eps = 1e-5;
  Json sizes = config;
  sizes.erase("architectures");
  LUTHIER_CHECK(read_text_encoder(sizes, where, read));
  o.tables = read.tables, o.layer = read.layer;
  o.num_hidden_layers = read.num_hidden_layers;
  o.text_range = read.initializer_range;
  if (o.tables.padding < 0)
    return input_error("Positions are counted from the padding's id, and there is none.",
                       where + ": pad_token_id");
  o.tables.width = o.layer.hidden;
  o.tables.behind_padding = true;
  if (longest_row(o.tables) >= 1) return {};
  return input_error(
      "No position is left behind the padding's id, " + std::to_string(o.tables.padding) + ".",
      where + ": max_position_embeddings");
}

/// As of rows that each belong to one class, or to several.
Result<ClassOptions> read_answers(const Json& config, const std::string& where) {
  Json as_rows = config;
  as_rows["architectures"] = Json::array({"ForSequenceClassification"});
  LUTHIER_TRY(auto classes, read_class_options(as_rows, where));
  return std::move(*classes);
}

}  // namespace

std::int64_t Options::image_layers() const {
  return std::accumulate(vision.depths.begin(), vision.depths.end(), std::int64_t{0});
}

Result<Options> read_options(const Json& config, const std::string& where) {
  LUTHIER_TRY(const bool answers, is_of_answers(config, where, {"FIBER", kPretraining, kAnswers}));
  LUTHIER_TRY(const Json vision, config_section(config, "vision_config", where));
  LUTHIER_TRY(const Json text, config_section(config, "text_config", where));
  Options o;
  const std::string of_vision = where + ": vision_config";
  LUTHIER_CHECK(check_type(vision, "swin", of_vision));
  LUTHIER_CHECK(read_swin_options(vision, of_vision, o.vision));
  if (std::min(o.vision.image_height, o.vision.image_width) < o.vision.smallest_frame())
    return input_error("A picture's last map would be smaller than a window.",
                       of_vision + ": image_size",
                       "It is " + std::to_string(o.vision.smallest_frame()) + " at least.");
  LUTHIER_CHECK(read_texts(text, where + ": text_config", o));
  const std::int64_t most = std::min(o.image_layers(), o.num_hidden_layers);
  o.num_fuse_block = std::min(o.num_fuse_block, most);
  LUTHIER_CHECK(read_in_range(config, "num_fuse_block", where, 1, most, o.num_fuse_block));
  o.hidden_size = o.layer.hidden;
  LUTHIER_CHECK(read_in_range(config, "hidden_size", where, 1, 1 << 20, o.hidden_size));
  LUTHIER_TRY(o.itc_pooler, json_bool(config, "itc_pooler", where, true));
  if (answers) {
    LUTHIER_TRY(o.answers, read_answers(config, where));
  }
  return o;
}

}  // namespace luthier::fiber
