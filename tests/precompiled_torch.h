// SPDX-License-Identifier: GPL-3.0-or-later
// As precompiled.h, for tests that include LibTorch. Qt is left to the tests themselves, which
// include it last: its keyword `slots` is a name in LibTorch and in our own headers.
#pragma once

#include "engine/device/torch.h"

#include "engine/io/json.h"
