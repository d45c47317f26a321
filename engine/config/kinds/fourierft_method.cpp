// SPDX-License-Identifier: GPL-3.0-or-later
// FourierFT (Gao et al. 2024): what is added to a weight is the inverse Fourier transform of a few
// coefficients at drawn places.
#include "engine/config/kinds/adapter_rows.h"
#include "engine/config/kinds/layer_rows.h"

namespace luthier {

MethodKind fourierft_method_kind() {
  MethodKind kind{
      {"fourierft",
       "A few Fourier coefficients train, whose inverse transform is added to each weight.",
       rows::fields_of(
           {rows::rank_called("adapter.n_frequency", "Coefficients",
                              "Fourier coefficients of each module that train.")
                .at_least(1)
                .at_most(1073741824.0),
            rows::pattern("adapter.n_frequency_pattern", "Coefficients by module",
                          "Other numbers for modules whose name ends so or matches: {q_proj: 500}.",
                          LUTHIER_FIELD(adapter.rank_pattern))
                .at_least(1)
                .at_most(1073741824.0)
                .advanced(),
            rows::kind_number("adapter.scaling", "Scaling",
                              "What is added to a weight is scaled by it.", 150)
                .at_least(-1e9)
                .at_most(1e9),
            rows::kind_integer("adapter.random_loc_seed", "Seed of the places",
                               "The coefficients' places are drawn from it.", 777)
                .at_least(0)
                .at_most(4294967295.0)
                .advanced(),
            rows::init_weights("false: coefficients are drawn; true: they are zero and add nothing "
                               "at first.",
                               {"false", "true"}),
            rows::biases("fourier_only"), rows::layers_to_transform(), rows::layers_pattern()}),
       {"adapter.target_modules", "adapter.exclude_modules", "adapter.modules_to_save",
        "adapter.init_from"},
       {{"training.learning_rate", 1e-2},
        {"adapter.n_frequency", 1000},
        {"adapter.init_weights", "false"}},
       check_layers_of}};
  kind.peft_type = "FOURIERFT";
  return kind;
}

}  // namespace luthier
