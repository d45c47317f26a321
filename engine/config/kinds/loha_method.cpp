// SPDX-License-Identifier: GPL-3.0-or-later
// LoHa (Hyeon-Woo et al. 2022, FedPara): what is added to a weight is the product, number by
// number, of two low-rank matrices.
#include "engine/config/kinds/lycoris_rows.h"

namespace luthier {

MethodKind loha_method_kind() {
  return lycoris_method_kind(
      "loha", "LOHA",
      "Two low-rank products, multiplied number by number, are added to each weight.",
      rows::init_weights("true adds nothing at first, false draws all tensors.",
                         {"true", "false"}));
}

}  // namespace luthier
