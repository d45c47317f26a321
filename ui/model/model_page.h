// SPDX-License-Identifier: GPL-3.0-or-later
// The Model page: choose a base, see what it is made of, and choose what trains.
#pragma once

#include "ui/page.h"

class QLabel;
class QProgressBar;
class QStackedWidget;

namespace luthier {

class Banner;
class EmptyState;
class ModelList;
class PartsView;

class ModelPage : public Page {
  Q_OBJECT

 public:
  explicit ModelPage(Workspace& workspace, QWidget* parent = nullptr);
  void entered() override;

 private:
  void refresh();

  Banner* banner_;
  ModelList* list_;
  QLabel* loading_;
  QProgressBar* progress_;
  QStackedWidget* stack_;
  EmptyState* empty_;
  QLabel* about_;
  PartsView* parts_;
};

}  // namespace luthier
