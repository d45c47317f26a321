// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/optim/loraplus.h"

namespace luthier {

void apply_loraplus(std::vector<TrainedTensor>& tensors, const std::vector<bool>& in_layer_norm,
                    const Recipe& recipe) {
  // A setting of LoRA alone: recipes of other methods have none.
  if (recipe.strategy != "lora") return;
  const auto ratio = recipe.more.optional_number("training.loraplus_lr_ratio");
  if (!ratio) return;
  const double base = recipe.training.learning_rate;
  const double of_embeddings = recipe.more.number("training.loraplus_lr_embedding");
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    TrainedTensor& each = tensors[i];
    const auto named = [&](const char* part) { return each.name.find(part) != std::string::npos; };
    if (named(".lora_embedding_")) {
      each.rate = base > 0 ? of_embeddings / base : 0;
      each.decay = true;
    } else if (named("lora_B") || each.tensor.dim() == 1) {
      each.rate = *ratio;
      each.decay = !named("bias") && !in_layer_norm[i];
    } else {
      each.decay = true;
    }
  }
}

}  // namespace luthier
