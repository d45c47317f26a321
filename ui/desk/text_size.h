// SPDX-License-Identifier: GPL-3.0-or-later
// The size of words, and the projector's looks, as a person chose them: kept from one start to the
// next.
#pragma once

namespace luthier {

/// As it was chosen before.
void restore_text_size();
/// One step larger (1), smaller (-1), or back to the usual size (0).
void change_text_size(int step);
void choose_projector(bool on);

}  // namespace luthier
