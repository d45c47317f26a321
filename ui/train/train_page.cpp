// SPDX-License-Identifier: GPL-3.0-or-later
// The Train page: settings with their forecast on the left, the run's curves on the right.
#include "ui/train/train_page.h"

namespace luthier {

TrainPage::TrainPage(Workspace& workspace, QWidget* parent) : Page(workspace, parent) {}

}  // namespace luthier
