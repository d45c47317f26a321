// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/stored_head.h"

#include <string>

namespace luthier {

Result<bool> has_own_head(Model& model, const Family& family, const CheckpointFiles& files) {
  const std::string embedding = tied_weight(model);
  if (embedding.empty()) return false;
  const std::string own = head_name(model) + ".weight";
  std::optional<TensorView> head, tied;
  for (const auto& [stored, info] : files.tensors()) {
    const std::string name = family.memory_name(stored);
    if (name == own) head = files.find(stored);
    if (name == embedding) tied = files.find(stored);
  }
  if (!head || !tied) return false;
  LUTHIER_TRY(const bool same, same_tensor(*head, *tied));
  return !same;
}

void untie(const Family& family, Json& config) {
  if (family.untie) return family.untie(config);
  config["tie_word_embeddings"] = false;
  // Said in any case: some decoders are tied where their configuration says nothing.
  if (const auto text = config.find("text_config"); text != config.end() && text->is_object()) {
    (*text)["tie_word_embeddings"] = false;
  }
}

std::string head_name(Model& model) {
  const Linear head = model.output_head();
  if (!head) return {};
  for (const auto& item : model.named_modules()) {
    if (item.value() == head.ptr()) return item.key();
  }
  return {};
}

std::string tied_weight(Model& model) {
  const Linear head = model.output_head();
  if (!head) return {};
  for (const auto& item : model.named_parameters()) {
    if (head->weight.shares(item.value()))
      return item.key() == head_name(model) + ".weight" ? std::string() : item.key();
  }
  return {};
}

bool untie_head(LoadedModel& loaded) {
  if (tied_weight(*loaded.model).empty()) return false;
  const torch::NoGradGuard no_grad;
  Linear head = loaded.model->output_head();
  head->untie();
  untie(*loaded.family, loaded.config);
  return true;
}

}  // namespace luthier
