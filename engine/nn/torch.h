// SPDX-License-Identifier: GPL-3.0-or-later
// The one door to LibTorch: everything above nn/ includes this header, which is also the precompiled one
// (torch/torch.h alone costs more than half a minute a file without it).
#pragma once

#include <torch/torch.h>
