// SPDX-License-Identifier: GPL-3.0-or-later
// The Model page: choose a base, see what it is made of, and choose what trains.
#include "ui/model/model_page.h"

namespace luthier {

ModelPage::ModelPage(Workspace& workspace, QWidget* parent) : Page(workspace, parent) {}

}  // namespace luthier
