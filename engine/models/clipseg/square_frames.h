// SPDX-License-Identifier: GPL-3.0-or-later
// Pictures that stand beside their prompts as whole squares: what is said of a frame's pixels is
// then said of the picture's.
#pragma once

#include "engine/models/family.h"

namespace luthier {

/// `processor`: the type where the folder names none; `patch`: pixels a side of a patch; `square`:
/// those that are said of one. An Input error where the folder's processor makes frames of unlike
/// sizes or of none that is square, cuts a part of the picture off, or makes too many patches.
PicturePlan square_frames_beside(const char* processor, std::int64_t patch, std::int64_t square);

}  // namespace luthier
