// SPDX-License-Identifier: GPL-3.0-or-later
// Norm tuning (Zhao et al. 2023): the weights and biases of the norms train, as copies.
#include "engine/config/kinds.h"

namespace luthier {

MethodKind ln_tuning_method_kind() {
  MethodKind kind{{"ln_tuning",
                   "The weights of the norms train, as copies that stand in their places.",
                   {},
                   {"adapter.target_modules", "adapter.exclude_modules", "adapter.modules_to_save",
                    "adapter.init_from"},
                   {{"training.learning_rate", 1e-3}}}};
  kind.peft_type = "LN_TUNING";
  return kind;
}

}  // namespace luthier
