// SPDX-License-Identifier: GPL-3.0-or-later
// The Compare page: adapters side by side on one resident base, over the same samples.
#include "ui/compare/compare_page.h"

namespace luthier {

ComparePage::ComparePage(Workspace& workspace, QWidget* parent) : Page(workspace, parent) {}

}  // namespace luthier
