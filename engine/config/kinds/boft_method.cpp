// SPDX-License-Identifier: GPL-3.0-or-later
// BOFT (Liu et al. 2024): the input of each weight is turned by rotations of blocks, one after
// another with the numbers mixed between them, and its output is scaled.
#include "engine/config/kinds/adapter_rows.h"
#include "engine/config/kinds/layer_rows.h"

namespace luthier {

namespace {

/// As PEFT demands it: one says the other.
Status check_boft(const Recipe& recipe) {
  LUTHIER_CHECK(check_layers_of(recipe));
  const bool by_number = recipe.adapter.more.integer("adapter.boft_block_num") > 0,
             by_size = recipe.adapter.more.integer("adapter.boft_block_size") > 0;
  if (by_number != by_size) return {};
  return cross_fault("adapter.boft_block_size",
                     by_size ? "and adapter.boft_block_num are both given, and one follows from "
                               "the other."
                             : "and adapter.boft_block_num are both 0.",
                     "Write one of the two and 0 for the other.");
}

}  // namespace

MethodKind boft_method_kind() {
  MethodKind kind{
      {"boft",
       "Each layer's input is turned by a chain of block rotations, its output is scaled.",
       rows::fields_of(
           {rows::kind_integer("adapter.boft_block_size", "Block size",
                               "Numbers of the input that are turned together; 0: as the number "
                               "of blocks gives.",
                               4)
                .at_least(0)
                .at_most(65536),
            rows::kind_integer("adapter.boft_block_num", "Number of blocks",
                               "Blocks that each input is cut into; 0: as the block size gives.", 0)
                .at_least(0)
                .at_most(1048576),
            rows::kind_integer("adapter.boft_n_butterfly_factor", "Rotations in a chain",
                               "How many follow one another. PEFT without its CUDA kernel takes 1 "
                               "whatever is asked for.",
                               1)
                .at_least(1)
                .at_most(32),
            rows::kind_number("adapter.boft_dropout", "BOFT dropout",
                              "Share of the blocks that are not turned while training.", 0)
                .at_least(0)
                .below(1),
            rows::init_weights("true: turns nothing at first; false: all is drawn.",
                               {"true", "false"}),
            rows::biases("boft_only"), rows::layers_to_transform(), rows::layers_pattern()}),
       {"adapter.target_modules", "adapter.exclude_modules", "adapter.modules_to_save",
        "adapter.init_from"},
       {{"training.learning_rate", 1e-3}},
       check_boft}};
  kind.peft_type = "BOFT";
  return kind;
}

}  // namespace luthier
