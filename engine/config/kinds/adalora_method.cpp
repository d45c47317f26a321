// SPDX-License-Identifier: GPL-3.0-or-later
// AdaLoRA (Zhang et al. 2023): low-rank adapters as singular values between two sets of vectors;
// the least important of all modules are taken away while it trains.
#include "engine/config/kinds/adapter_rows.h"
#include "engine/config/kinds/layer_rows.h"

namespace luthier {

namespace {

/// What is known before the run's steps are counted.
Status check_adalora(const Recipe& recipe) {
  const KindValues& own = recipe.adapter.more;
  if (!recipe.adapter.init_from.empty()) return {};
  LUTHIER_CHECK(check_layers_of(recipe));
  if (own.integer("adapter.target_r") >= recipe.adapter.r) {
    return cross_fault("adapter.target_r",
                       "is not below adapter.init_r, so nothing would be pruned.",
                       "Lower it, raise adapter.init_r, or choose strategy: lora.");
  }
  return {};
}

}  // namespace

MethodKind adalora_method_kind() {
  MethodKind kind{
      {"adalora",
       "Low-rank adapters whose ranks are moved to where they matter while they train.",
       rows::fields_of(
           {rows::rank_called("adapter.init_r", "Rank at first",
                              "The rank of each module at the "
                              "start.")
                .at_least(1)
                .at_most(65536),
            rows::kind_integer("adapter.target_r", "Rank at last",
                               "The mean rank of the modules at the end.", 8)
                .at_least(0)
                .at_most(65536),
            rows::kind_integer("adapter.tinit", "Steps before pruning",
                               "So many steps train all ranks.", 0)
                .unit("steps")
                .at_least(0)
                .at_most(1e12),
            rows::kind_integer("adapter.tfinal", "Steps after pruning",
                               "So many steps at the end train the ranks that are left.", 0)
                .unit("steps")
                .at_least(0)
                .at_most(1e12),
            rows::kind_integer("adapter.deltaT", "Prune every", "Steps between two prunings.", 1)
                .unit("steps")
                .at_least(1)
                .at_most(1e12)
                .advanced(),
            rows::kind_number("adapter.beta1", "Smoothing of importance",
                              "Decay of the running mean of each number's importance.", 0.85)
                .above(0)
                .below(1)
                .advanced(),
            rows::kind_number("adapter.beta2", "Smoothing of its uncertainty",
                              "Decay of the running mean of how much the importance varies.", 0.85)
                .above(0)
                .below(1)
                .advanced(),
            rows::kind_number("adapter.orth_reg_weight", "Orthogonality",
                              "Weight of the loss's term that keeps the vectors orthogonal.", 0.5)
                .at_least(0)
                .at_most(1e6)
                .advanced(),
            rows::kind_optional_integer("adapter.total_step", "Steps of the schedule",
                                        "Steps that the pruning is planned for; null: the run's.")
                .unit("steps")
                .at_least(1)
                .at_most(1e12)
                .advanced(),
            rows::initial_adapter("true: adds nothing at first; false: all is drawn.",
                                  {"true", "false"}),
            rows::biases("lora_only"), rows::layers_to_transform(), rows::layers_pattern()}),
       {"adapter.lora_alpha", "adapter.lora_dropout", "adapter.target_modules",
        "adapter.exclude_modules", "adapter.modules_to_save", "adapter.init_from"},
       {{"training.learning_rate", 1e-3},
        {"adapter.init_r", 12},
        {"adapter.lora_alpha", 8.0},
        {"adapter.lora_dropout", 0.0}},
       check_adalora}};
  kind.peft_type = "ADALORA";
  return kind;
}

}  // namespace luthier
