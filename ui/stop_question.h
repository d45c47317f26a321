// SPDX-License-Identifier: GPL-3.0-or-later
// The only question asked while training: stop and save, cancel the run, or go on. Training goes on while it is open.
#pragma once

#include <QDialog>

#include "engine/session/session.h"

namespace luthier {

class StopQuestion : public QDialog {
  Q_OBJECT

 public:
  explicit StopQuestion(QWidget* parent);

 signals:
  void decided(luthier::StopKind kind);
};

}  // namespace luthier
