// SPDX-License-Identifier: GPL-3.0-or-later
// The only question asked while training: stop and save, throw the run away, or go on; a run
// elsewhere may also be left to itself. Training
// goes on while it is open. Enter saves and Escape goes on; what throws work away is asked twice.
#pragma once

#include <QDialog>

#include "engine/session/session.h"

class QLabel;
class QPushButton;

namespace luthier {

class StopQuestion : public QDialog {
  Q_OBJECT

 public:
  explicit StopQuestion(QWidget* parent);
  /// The run is elsewhere: it can be left running.
  void offer_leaving(bool elsewhere);
  /// The question of this window, asked already or newly made: there is never a second one.
  static StopQuestion* of(QWidget* window);

 signals:
  void decided(luthier::StopKind kind);
  void left();

 private:
  /// The second question, or back to the first.
  void ask(bool discarding);
  void retranslate();

  bool discarding_ = false, elsewhere_ = false;
  QLabel* title_;
  QLabel* text_;
  QPushButton *discard_, *go_on_, *leave_, *save_, *back_, *really_;
};

}  // namespace luthier
