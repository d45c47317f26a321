// SPDX-License-Identifier: GPL-3.0-or-later
// Bottleneck adapters (Houlsby et al. 2019; Pfeiffer et al. 2020), under the names of the
// `adapters` library: a small network behind the branches of each layer.
#include "engine/config/field_rows.h"
#include "engine/config/kinds.h"

namespace luthier {

MethodKind bottleneck_method_kind() {
  MethodKind kind{
      {"bottleneck",
       "A small network behind the branches of every layer trains.",
       rows::fields_of(
           {rows::kind_choice("adapter.config", "Place of the networks",
                              "houlsby: behind attention and feed-forward; pfeiffer: behind the "
                              "feed-forward, of what is added up.",
                              {"houlsby", "pfeiffer"}, "houlsby"),
            rows::kind_integer("adapter.reduction_factor", "Reduction factor",
                               "How many times narrower than the layer a network is.", 16)
                .at_least(1)
                .at_most(65536),
            rows::kind_choice("adapter.non_linearity", "Non-linearity",
                              "Between the two products of a network.", {"relu", "gelu", "swish"},
                              "relu")}),
       {"adapter.exclude_modules", "adapter.init_from"},
       {{"training.learning_rate", 1e-4}}}};
  kind.peft_type = "BOTTLENECK";
  return kind;
}

}  // namespace luthier
