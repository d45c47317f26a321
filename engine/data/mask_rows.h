// SPDX-License-Identifier: GPL-3.0-or-later
// Rows of a picture, what is sought in it, and where that is.
#pragma once

#include "engine/data/row_kind.h"

namespace luthier {

/// "masks": {"image", "text" or "prompt_image", "mask"}. A row's first sequence has the picture
/// and, where there is one, the prompting picture behind it, and then its text says nothing; its
/// targets are the mask's runs (data/mask.h), empty where only shapes are asked for.
const RowKind& mask_rows();

}  // namespace luthier
