// SPDX-License-Identifier: GPL-3.0-or-later
// What is on this machine: models opened before, the teaching model and those in the hub's cache. Enter or a double click loads one.
#pragma once

#include "ui/widgets/card.h"
#include "ui/workspace.h"

class QListWidget;
class QPushButton;

namespace luthier {

class ModelList : public Card {
  Q_OBJECT

 public:
  ModelList(Workspace& workspace, QWidget* parent = nullptr);
  /// Asks for a folder and loads it.
  void open_folder();

 private:
  void refresh();
  void add(const QString& folder, const QString& note);

  Workspace& workspace_;
  QListWidget* list_;
  QPushButton* open_;
  QPushButton* load_;
};

}  // namespace luthier
