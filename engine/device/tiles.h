// SPDX-License-Identifier: GPL-3.0-or-later
// Processors whose cores multiply tiles (Intel's AMX: 16 rows of 32 bfloat16 with 32 rows of 16,
// added to 16 × 16 in float32; Intel's Software Developer's Manual, volume 1, chapter 18).
#pragma once

namespace luthier::tiles {

/// Whether this processor has such tiles and the system lets this process use them.
bool available();

}  // namespace luthier::tiles
