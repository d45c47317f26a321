// SPDX-License-Identifier: GPL-3.0-or-later
// FIBER's config.json, a layout of ours (docs/lab.md): `vision_config` is a SwinConfig of
// transformers 5.17, `text_config` a RobertaConfig, and beside them stand the authors' own numbers.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "engine/models/bert/text_embeddings.h"
#include "engine/models/bert/text_layer.h"
#include "engine/models/family.h"
#include "engine/models/swin/swin_body.h"

namespace luthier::fiber {

/// What a folder is of, in `architectures`.
inline constexpr const char *kPretraining = "FiberForPreTraining",
                            *kAnswers = "FiberForQuestionAnswering";

struct Options {
  SwinOptions vision;
  TextTables tables;
  TextLayerSizes layer;
  std::int64_t num_hidden_layers = 12;  ///< of the texts
  /// So many of the last layers of either side look across to the other: the last with the last.
  std::int64_t num_fuse_block = 6;
  std::int64_t hidden_size = 768;       ///< of the space that both sides come to
  bool itc_pooler = true;               ///< points of the contrast go through a product and a tanh
  double text_range = 0.02;             ///< of drawn weights, but for Swin's
  std::optional<ClassOptions> answers;  ///< that a head tells apart; none: it is of pretraining

  std::int64_t image_layers() const;
  /// The first layers that look across.
  std::int64_t first_image_layer() const { return image_layers() - num_fuse_block; }
  std::int64_t first_text_layer() const { return num_hidden_layers - num_fuse_block; }
};

/// An Input error names `where` and the field.
Result<Options> read_options(const Json& config, const std::string& where);

}  // namespace luthier::fiber
