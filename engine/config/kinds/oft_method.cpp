// SPDX-License-Identifier: GPL-3.0-or-later
// OFT (Qiu et al. 2023): the input of each weight is cut into blocks, and each block is turned by a
// rotation that trains.
#include "engine/config/kinds/adapter_rows.h"
#include "engine/config/kinds/layer_rows.h"

namespace luthier {

namespace {

/// As PEFT demands it: one says the other.
Status check_oft(const Recipe& recipe) {
  LUTHIER_CHECK(check_layers_of(recipe));
  const bool by_number = recipe.adapter.r > 0,
             by_size = recipe.adapter.more.integer("adapter.oft_block_size") > 0;
  if (by_number != by_size) return {};
  return cross_fault("adapter.oft_block_size",
                     by_size ? "and adapter.r are both given, and one follows from the other."
                             : "and adapter.r are both 0.",
                     "Write a block size and r: 0, or a number of blocks and oft_block_size: 0.");
}

}  // namespace

MethodKind oft_method_kind() {
  MethodKind kind{
      {"oft",
       "Blocks of each layer's input are turned by rotations that train.",
       rows::fields_of(
           {rows::rank("Blocks that each input is cut into; 0: as the block size gives.", 0),
            rows::kind_integer("adapter.oft_block_size", "Block size",
                               "Numbers of the input that are turned together; 0: as adapter.r, "
                               "the number of blocks, gives.",
                               32)
                .at_least(0)
                .at_most(65536),
            rows::kind_boolean("adapter.coft", "Small rotations",
                               "Rotations stay within eps of none at all.", false)
                .advanced(),
            rows::kind_number("adapter.eps", "Largest rotation",
                              "How far a rotation may go where rotations stay small.", 6e-5)
                .above(0)
                .at_most(1e6)
                .advanced(),
            rows::kind_boolean("adapter.block_share", "One rotation for all blocks",
                               "All blocks of a layer are turned alike.", false)
                .advanced(),
            rows::kind_boolean("adapter.use_cayley_neumann", "Rotations by a series",
                               "Rotations come from the first terms of a series, which is faster "
                               "than to solve for them and not quite a rotation.",
                               true)
                .advanced(),
            rows::kind_integer("adapter.num_cayley_neumann_terms", "Terms of the series",
                               "More come nearer to a rotation.", 5)
                .at_least(1)
                .at_most(64)
                .advanced(),
            rows::module_dropout("PEFT reads it and drops nothing, and so it is here."),
            rows::init_weights("true: turns nothing at first; false: all is drawn.",
                               {"true", "false"}),
            rows::biases("oft_only"), rows::layers_to_transform(), rows::layers_pattern()}),
       {"adapter.target_modules", "adapter.exclude_modules", "adapter.modules_to_save",
        "adapter.init_from"},
       {{"training.learning_rate", 1e-3}, {"adapter.r", 0}},
       check_oft}};
  kind.peft_type = "OFT";
  return kind;
}

}  // namespace luthier
