// SPDX-License-Identifier: GPL-3.0-or-later
// Tables, trees and lists in the quiet manner: flat heads, room beside figures, a soft selection.
// Follows the theme.
#pragma once

class QAbstractItemView;
class QWidget;

namespace luthier {

void make_quiet(QAbstractItemView* view);
/// Text areas that lie on a card or on the page: its colour, not that of a field to type in.
void blend_in(QWidget* text_area, bool on_card);

}  // namespace luthier
