// SPDX-License-Identifier: GPL-3.0-or-later
// LoRA (Hu et al. 2021): low-rank pairs beside fixed weights. Its settings are members of
// AdapterSettings, since it was there before settings could be a kind's own.
#include "engine/config/kinds.h"

namespace luthier {

namespace {

Status check_lora(const Recipe& recipe) {
  using Kind = ModuleSelector::Kind;
  const ModuleSelector& targets = recipe.adapter.target_modules;
  const bool none =
      targets.kind == Kind::None || (targets.kind == Kind::Names && targets.names.empty() &&
                                     recipe.adapter.modules_to_save.empty());
  if (!recipe.adapter.init_from.empty() || !none) return {};
  return cross_fault("adapter.target_modules",
                     "names no module, so there would be nothing to train.",
                     "Write all-linear, a list of names or a regular expression.");
}

}  // namespace

MethodKind lora_method_kind() {
  MethodKind kind{
      {"lora",
       "Low-rank adapters train beside fixed weights.",
       {},
       {"adapter.r", "adapter.lora_alpha", "adapter.lora_dropout", "adapter.target_modules",
        "adapter.exclude_modules", "adapter.rank_pattern", "adapter.alpha_pattern",
        "adapter.use_rslora", "adapter.use_dora", "adapter.init_lora_weights",
        "adapter.modules_to_save", "adapter.bias", "adapter.init_from"},
       {{"training.learning_rate", 2e-4}},
       check_lora,
       true}};
  kind.peft_type = "LORA";
  return kind;
}

}  // namespace luthier
