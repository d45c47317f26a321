// SPDX-License-Identifier: GPL-3.0-or-later
// The rows of families.h whose models are encoders of pictures, alone or beside one of texts.
#pragma once

#include "engine/models/family.h"

// clang-format off
#define LUTHIER_PICTURE_FAMILIES(ROW) \
  ROW(siglip)                         \
  ROW(vit)                            \
  ROW(vit_mae)                        \
  ROW(dinov2)                         \
  ROW(dinov2_with_registers)          \
  ROW(resnet)                         \
  ROW(efficientnet)
// clang-format on

namespace luthier {

#define LUTHIER_DECLARE(name) extern const Family name##_family;
LUTHIER_PICTURE_FAMILIES(LUTHIER_DECLARE)
#undef LUTHIER_DECLARE

}  // namespace luthier
