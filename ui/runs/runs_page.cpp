// SPDX-License-Identifier: GPL-3.0-or-later
// The Runs page: past runs in a table, over their curves laid over one another.
#include "ui/runs/runs_page.h"

namespace luthier {

RunsPage::RunsPage(Workspace& workspace, QWidget* parent) : Page(workspace, parent) {}

}  // namespace luthier
