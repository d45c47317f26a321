// SPDX-License-Identifier: GPL-3.0-or-later
// The Train page: settings with their forecast on the left, the run's curves on the right.
#pragma once

#include "ui/page.h"

namespace luthier {

class TrainPage : public Page {
  Q_OBJECT

 public:
  explicit TrainPage(Workspace& workspace, QWidget* parent = nullptr);
};

}  // namespace luthier
