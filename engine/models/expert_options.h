// SPDX-License-Identifier: GPL-3.0-or-later
// A text config's mixture of experts: which layers have one, and of what sizes.
#pragma once

#include "engine/io/json.h"
#include "engine/models/feed_forward.h"

namespace luthier {

/// Of a configuration class of transformers; a count of 0: it knows no experts.
struct ExpertDefaults {
  std::int64_t count = 0, each = 0, intermediate_size = 0;
  double router_aux_loss_coef = 0.001;
  std::int64_t shared_intermediate_size = 0;  ///< 0: it knows no shared expert
  /// Every layer has them, whatever a file says, and the count has one name.
  bool every_layer = false;
  bool tells_routing = false;  ///< it has `output_router_logits`, whether a file does or not
};

/// Every `decoder_sparse_step`th layer has experts, but for those in `mlp_only_layers`, where the
/// class knows these; none: no layer has them.
Result<std::optional<ExpertOptions>> read_expert_options(const Json& config,
                                                         const std::string& where,
                                                         const ExpertDefaults& defaults,
                                                         std::int64_t layers);

}  // namespace luthier
