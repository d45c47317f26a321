// SPDX-License-Identifier: GPL-3.0-or-later
// LXMERT's config.json (LxmertConfig of transformers 5.17), and the classes that it may be of.
#pragma once

#include <optional>

#include "engine/data/class_options.h"
#include "engine/models/bert/text_embeddings.h"
#include "engine/models/bert/text_layer.h"

namespace luthier {

struct LxmertOptions {
  TextTables tables;
  TextLayerSizes layer;
  std::int64_t l_layers = 9, x_layers = 5, r_layers = 5;  ///< of text, across, of regions
  std::int64_t visual_feat_dim = 2048;
  std::int64_t num_qa_labels = 9500, num_object_labels = 1600, num_attr_labels = 400;
  double visual_loss_normalizer = 6.67;  ///< what the regions' losses count for
  /// What is learned in pretraining: LXMERT's own switches.
  bool task_matched = true, task_mask_lm = true, task_obj_predict = true, task_qa = true;
  bool visual_obj_loss = true, visual_attr_loss = true, visual_feat_loss = true;
  std::optional<ClassOptions> answers;  ///< of LxmertForQuestionAnswering; none: of pretraining
  double initializer_range = 0.02;
  bool tie_word_embeddings = true;
};

/// An Input error names `where` and the field.
Result<LxmertOptions> read_lxmert_options(const Json& config, const std::string& where);

}  // namespace luthier
