// SPDX-License-Identifier: GPL-3.0-or-later
// HRA (Yuan et al. 2024): the input of each weight goes through a chain of mirrors (Householder
// reflections) that train.
#include "engine/config/kinds/adapter_rows.h"
#include "engine/config/kinds/layer_rows.h"

namespace luthier {

MethodKind hra_method_kind() {
  MethodKind kind{
      {"hra",
       "Each layer's input goes through a chain of mirrors that train.",
       rows::fields_of(
           {rows::rank("Mirrors in each chain; of an even number each stands twice at "
                       "first, so that the chain does nothing."),
            rows::kind_boolean("adapter.apply_GS", "Mirrors at right angles",
                               "The mirrors are made orthogonal to one another (Gram-Schmidt).",
                               false)
                .advanced(),
            rows::init_weights("true: mirrors of an even number stand in pairs that undo one "
                               "another; false: each is drawn by itself.",
                               {"true", "false"}),
            rows::biases("hra_only"), rows::layers_to_transform(), rows::layers_pattern()}),
       {"adapter.target_modules", "adapter.exclude_modules", "adapter.modules_to_save",
        "adapter.init_from"},
       {{"training.learning_rate", 1e-3}, {"adapter.r", 8}},
       check_layers_of}};
  kind.peft_type = "HRA";
  return kind;
}

}  // namespace luthier
