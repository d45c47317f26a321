// SPDX-License-Identifier: GPL-3.0-or-later
// The picture encoder of cards that look at scenes by a tower of their own.
#pragma once

#include "engine/io/json.h"

namespace luthier {

/// What ViT's configuration says of the layers, over patches of so many pixels a side.
Json small_vit(std::int64_t patch);
/// A ViTImageProcessor's file for the scenes' pictures as they are.
Json small_vit_processor();

}  // namespace luthier
