// SPDX-License-Identifier: GPL-3.0-or-later
// The Model page: choose a base, see what it is made of, and choose what trains.
#pragma once

#include "ui/page.h"

namespace luthier {

class ModelPage : public Page {
  Q_OBJECT

 public:
  explicit ModelPage(Workspace& workspace, QWidget* parent = nullptr);
};

}  // namespace luthier
