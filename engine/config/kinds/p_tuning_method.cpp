// SPDX-License-Identifier: GPL-3.0-or-later
// P-tuning (Liu et al. 2021): rows in front of the text's own, which a small network makes; the
// network is what trains.
#include "engine/config/kinds.h"
#include "engine/config/kinds/prompt_rows.h"

namespace luthier {

MethodKind p_tuning_method_kind() {
  MethodKind kind{
      {"p_tuning",
       "Tokens in front of the text are made by a small network that trains, all weights stay "
       "fixed.",
       rows::fields_of(
           {rows::num_virtual_tokens(),
            rows::kind_choice("adapter.encoder_reparameterization_type", "Network",
                              "MLP: three layers for each token; LSTM: the tokens in their order, "
                              "both ways, and two layers.",
                              {"MLP", "LSTM"}, "MLP"),
            rows::encoder_hidden_size(),
            rows::kind_integer("adapter.encoder_num_layers", "Layers of the LSTM",
                               "An MLP has three, whatever stands here.", 2)
                .at_least(1)
                .at_most(64)
                .advanced(),
            rows::kind_number("adapter.encoder_dropout", "Dropout of the LSTM",
                              "Between its layers.", 0.0)
                .at_least(0)
                .below(1)
                .advanced()}),
       {"adapter.init_from"},
       {{"training.learning_rate", 1e-2}}}};
  kind.peft_type = "P_TUNING";
  return kind;
}

}  // namespace luthier
