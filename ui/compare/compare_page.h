// SPDX-License-Identifier: GPL-3.0-or-later
// The Compare page: adapters side by side on one resident base, over the same samples.
#pragma once

#include "ui/page.h"

namespace luthier {

class ComparePage : public Page {
  Q_OBJECT

 public:
  explicit ComparePage(Workspace& workspace, QWidget* parent = nullptr);
};

}  // namespace luthier
