// SPDX-License-Identifier: GPL-3.0-or-later
// Tables, trees and lists in the quiet manner: flat heads, room beside figures, a soft selection. Follows the theme.
#pragma once

class QAbstractItemView;

namespace luthier {

void make_quiet(QAbstractItemView* view);

}  // namespace luthier
