// SPDX-License-Identifier: GPL-3.0-or-later
// The Data page: the rows as people wrote them and as the model gets them, and what is wrong with them.
#include "ui/data/data_page.h"

namespace luthier {

DataPage::DataPage(Workspace& workspace, QWidget* parent) : Page(workspace, parent) {}

}  // namespace luthier
