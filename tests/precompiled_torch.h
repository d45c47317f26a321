// SPDX-License-Identifier: GPL-3.0-or-later
// As precompiled.h, for tests of the rooms that need LibTorch. Torch's headers stand first, since
// Qt's macros (slots, signals) are names of theirs.
#pragma once

#include "engine/device/torch.h"
#include "tests/precompiled.h"
