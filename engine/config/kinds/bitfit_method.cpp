// SPDX-License-Identifier: GPL-3.0-or-later
// BitFit (Ben Zaken et al. 2022): the biases train, as copies.
#include "engine/config/kinds/layer_rows.h"

namespace luthier {

MethodKind bitfit_method_kind() {
  MethodKind kind{{"bitfit",
                   "The biases train, as copies that stand in their places.",
                   rows::fields_of({rows::layers_to_transform(), rows::layers_pattern()}),
                   {"adapter.target_modules", "adapter.exclude_modules", "adapter.modules_to_save",
                    "adapter.init_from"},
                   {{"training.learning_rate", 1e-3}},
                   check_layers_of}};
  kind.peft_type = "BITFIT";
  return kind;
}

}  // namespace luthier
