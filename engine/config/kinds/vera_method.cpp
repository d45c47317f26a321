// SPDX-License-Identifier: GPL-3.0-or-later
// VeRA (Kopiczko et al. 2024): one pair of drawn low-rank matrices for all modules, of which each
// trains two vectors of scales.
#include "engine/config/kinds/adapter_rows.h"
#include "engine/config/kinds/layer_rows.h"

namespace luthier {

MethodKind vera_method_kind() {
  MethodKind kind{
      {"vera",
       "Vectors train that scale one pair of fixed random matrices, shared by all layers.",
       rows::fields_of(
           {rows::rank("Numbers between the two shared matrices; no more weights train for it than "
                       "one a number and module."),
            rows::kind_integer("adapter.projection_prng_key", "Seed of the matrices",
                               "The shared matrices are drawn from it.", 0)
                .at_least(0)
                .at_most(4294967295.0)
                .advanced(),
            rows::kind_boolean("adapter.save_projection", "Save the matrices",
                               "The shared matrices are in the adapter's file; false: they are "
                               "drawn again where it is read.",
                               true)
                .advanced(),
            rows::kind_number("adapter.vera_dropout", "VeRA dropout",
                              "Share of the adapter's inputs that are dropped while training.", 0)
                .at_least(0)
                .below(1),
            rows::kind_number("adapter.d_initial", "Start of the inner scales",
                              "The scales between the two matrices start at this; those behind "
                              "them start at 0.",
                              0.1)
                .at_least(-1e6)
                .at_most(1e6)
                .advanced(),
            rows::init_weights("true: adds nothing at first; false: the inner scales are drawn and "
                               "the outer ones are 1.",
                               {"true", "false"}),
            rows::biases("vera_only"), rows::layers_to_transform(), rows::layers_pattern()}),
       {"adapter.target_modules", "adapter.modules_to_save", "adapter.init_from"},
       {{"training.learning_rate", 4e-3}, {"adapter.r", 256}},
       check_layers_of}};
  kind.peft_type = "VERA";
  return kind;
}

}  // namespace luthier
