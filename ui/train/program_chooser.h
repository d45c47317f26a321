// SPDX-License-Identifier: GPL-3.0-or-later
// Under the names of who judges drawn answers: a program of the person's own, chosen here for the
// runs that are started from now on. No recipe holds it.
#pragma once

#include <QWidget>

#include "ui/workspace.h"

class QLabel;
class QPushButton;
class QToolButton;

namespace luthier {

class WrappedText;

class ProgramChooser : public QWidget {
  Q_OBJECT

 public:
  /// `section`: of the recipe, whose judges these are; parts of the names of what is in it.
  ProgramChooser(Workspace& workspace, const QString& section, QWidget* parent = nullptr);
  void set_locked(bool locked);

 private:
  void choose();
  void refresh();

  Workspace& workspace_;
  QPushButton* choose_;
  QToolButton* drop_;
  WrappedText* path_;
  QLabel* about_;
  bool locked_ = false;
};

}  // namespace luthier
