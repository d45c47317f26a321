// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/stored_head.h"

#include <string>

namespace luthier {

Result<bool> has_own_head(VisionLanguageModel& model, const Family& family,
                          const CheckpointFiles& files) {
  const torch::Tensor weight = model.head()->weight;
  std::string embedding;
  for (const auto& item : model.named_parameters()) {
    if (item.value().is_same(weight)) embedding = item.key();
  }
  if (embedding.empty() || embedding == "lm_head.weight") return false;   // not tied
  std::optional<TensorView> head, tied;
  for (const auto& [stored, info] : files.tensors()) {
    const std::string name = family.memory_name(stored);
    if (name == "lm_head.weight") head = files.find(stored);
    if (name == embedding) tied = files.find(stored);
  }
  if (!head || !tied) return false;
  LUTHIER_TRY(const bool same, same_tensor(*head, *tied));
  return !same;
}

void untie(Json& config) {
  config["tie_word_embeddings"] = false;
  if (const auto text = config.find("text_config"); text != config.end() && text->is_object() && text->contains("tie_word_embeddings")) {
    (*text)["tie_word_embeddings"] = false;
  }
}

}  // namespace luthier
