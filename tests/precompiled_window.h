// SPDX-License-Identifier: GPL-3.0-or-later
// As precompiled.h, for tests of the window.
#pragma once

#include <QtWidgets>

#include "tests/precompiled.h"
