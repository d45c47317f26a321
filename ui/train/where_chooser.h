// SPDX-License-Identifier: GPL-3.0-or-later
// Where the next launch goes: this window, a process of its own, another machine. No recipe holds
// it.
#pragma once

#include <QWidget>

#include "ui/workspace.h"

class QComboBox;
class QLabel;
class QLineEdit;

namespace luthier {

class WhereChooser : public QWidget {
  Q_OBJECT

 public:
  explicit WhereChooser(Workspace& workspace, QWidget* parent = nullptr);

 private:
  void choose();
  void refresh();

  Workspace& workspace_;
  QLabel* label_;
  QComboBox* kind_;
  QWidget* machine_;
  QLineEdit *host_, *folder_;
  QLabel* about_;
};

}  // namespace luthier
