// SPDX-License-Identifier: GPL-3.0-or-later
// LoKr (Yeh et al. 2024, LyCORIS): what is added to a weight is the Kronecker product of a small
// matrix and a larger one, which may be of low rank.
#include "engine/config/kinds/lycoris_rows.h"

namespace luthier {

namespace {

Status check_lokr(const Recipe& recipe) {
  LUTHIER_CHECK(check_layers_of(recipe));
  if (recipe.adapter.more.integer("adapter.decompose_factor") != 0) return {};
  return cross_fault("adapter.decompose_factor", "is 0, and no size divides by it.",
                     "Write -1, or the size of the smaller factor.");
}

}  // namespace

MethodKind lokr_method_kind() {
  return lycoris_method_kind(
      "lokr", "LOKR", "A Kronecker product of small matrices is added to each weight.",
      rows::init_weights(
          "true adds nothing at first, false draws all tensors, lycoris adds nothing "
          "either and zeroes the other factor.",
          {"true", "false", "lycoris"}),
      {rows::kind_boolean("adapter.decompose_both", "Both factors of low rank",
                          "The smaller factor is of low rank too, where the rank is small enough.",
                          false)
           .advanced(),
       rows::kind_integer("adapter.decompose_factor", "Size of the smaller factor",
                          "-1: both factors are as near to a square as the sizes allow.", -1)
           .at_least(-1)
           .at_most(1048576)
           .advanced(),
       rows::kind_boolean("adapter.rank_dropout_scale", "Rescale after row dropout",
                          "The rows that stay are scaled up for those that were dropped.", false)
           .advanced()},
      check_lokr);
}

}  // namespace luthier
