// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/optim/loraplus.h"

namespace luthier {

void join_loraplus_group(TrainedTensor& trained, bool in_layer_norm, double ratio,
                         const Recipe& recipe) {
  const auto named = [&](const char* part) { return trained.name.find(part) != std::string::npos; };
  trained.decay = true;
  if (named(".lora_embedding_")) {
    const double common = recipe.training.learning_rate;
    const double own = recipe.more.number("training.loraplus_lr_embedding");
    trained.rate = common > 0 ? own / common : 0;
  } else if (named("lora_B") || trained.tensor.dim() == 1) {
    trained.rate *= ratio;
    trained.decay = !named("bias") && !in_layer_norm;
  }
}

}  // namespace luthier
