// SPDX-License-Identifier: GPL-3.0-or-later
// The Runs page: past runs in a table, over their curves laid over one another.
#pragma once

#include "ui/page.h"

namespace luthier {

class RunsPage : public Page {
  Q_OBJECT

 public:
  explicit RunsPage(Workspace& workspace, QWidget* parent = nullptr);
};

}  // namespace luthier
