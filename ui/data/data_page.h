// SPDX-License-Identifier: GPL-3.0-or-later
// The Data page: the rows as people wrote them and as the model gets them, and what is wrong with them.
#pragma once

#include "ui/page.h"

namespace luthier {

class DataPage : public Page {
  Q_OBJECT

 public:
  explicit DataPage(Workspace& workspace, QWidget* parent = nullptr);
};

}  // namespace luthier
