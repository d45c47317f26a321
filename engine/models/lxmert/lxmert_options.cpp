// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/lxmert/lxmert_options.h"

#include "engine/models/bert/text_encoder.h"
#include "engine/models/config_numbers.h"
#include "engine/models/visual_bert/region_reader.h"

namespace luthier {

Result<LxmertOptions> read_lxmert_options(const Json& config, const std::string& where) {
  LUTHIER_TRY(const bool answers,
              is_of_answers(config, where,
                            {"LXMERT", "LxmertForPreTraining", "LxmertForQuestionAnswering"}));
  TextEncoderOptions read;
  read.tables.words = 30522, read.tables.positions = 512, read.tables.types = 2;
  read.tables.padding = 0;
  Json sizes = config;
  // Layers are counted otherwise, and eps and padding are the class's own.
  for (const char* key : {"architectures", "num_hidden_layers", "layer_norm_eps", "pad_token_id"})
    sizes.erase(key);
  LUTHIER_CHECK(read_text_encoder(sizes, where, read));
  LxmertOptions o;
  o.tables = read.tables, o.layer = read.layer;
  o.tables.width = read.layer.hidden;
  o.initializer_range = read.initializer_range;
  o.tie_word_embeddings = read.tie_word_embeddings;
  const auto number = [&](const char* key, std::int64_t low, std::int64_t high,
                          std::int64_t& value) {
    return read_in_range(config, key, where, low, high, value);
  };
  LUTHIER_CHECK(number("l_layers", 0, 4096, o.l_layers));
  LUTHIER_CHECK(number("x_layers", 1, 4096, o.x_layers));
  LUTHIER_CHECK(number("r_layers", 0, 4096, o.r_layers));
  LUTHIER_CHECK(number("visual_feat_dim", 1, 1 << 20, o.visual_feat_dim));
  LUTHIER_CHECK(number("num_qa_labels", 1, 1 << 20, o.num_qa_labels));
  LUTHIER_CHECK(number("num_object_labels", 1, 1 << 20, o.num_object_labels));
  LUTHIER_CHECK(number("num_attr_labels", 1, 1 << 20, o.num_attr_labels));
  std::int64_t of_boxes = 4;
  LUTHIER_CHECK(number("visual_pos_dim", 1, 1 << 20, of_boxes));
  if (of_boxes != 4)
    return input_error("A box has " + std::to_string(of_boxes) + " numbers, and rows give four.",
                       where + ": visual_pos_dim", "It must be 4: x1, y1, x2, y2.");
  LUTHIER_TRY(o.visual_loss_normalizer,
              json_number(config, "visual_loss_normalizer", where, o.visual_loss_normalizer));
  const std::pair<const char*, bool*> switches[] = {
      {"task_matched", &o.task_matched},         {"task_mask_lm", &o.task_mask_lm},
      {"task_obj_predict", &o.task_obj_predict}, {"task_qa", &o.task_qa},
      {"visual_obj_loss", &o.visual_obj_loss},   {"visual_attr_loss", &o.visual_attr_loss},
      {"visual_feat_loss", &o.visual_feat_loss}};
  for (const auto& [key, value] : switches) {
    LUTHIER_TRY(*value, json_bool(config, key, where, true));
  }
  if (answers) {
    LUTHIER_TRY(o.answers, read_answer_options(config, where, o.num_qa_labels));
  }
  return o;
}

}  // namespace luthier
