// SPDX-License-Identifier: GPL-3.0-or-later
// The home folder of a person whose machine may be seen: while pictures are taken the program works
// in an empty folder, luthier among the temporary files, that holds the teaching model, so that
// models, data and runs are called by short names and nothing else of this machine stands in any
// picture.
#pragma once

#include <QString>
#include <QStringList>

#include "engine/base/result.h"

class QWidget;

namespace luthier {

class PictureHome {
 public:
  /// Makes it, and moves the program there. Once a process.
  Status move_in();
  ~PictureHome();

  /// What may stand in no picture: folders of this machine.
  const QStringList& secrets() const { return secrets_; }

 private:
  QString home_, before_;
  QStringList secrets_;
};

/// The first text of what is seen of `top` that holds one of `secrets`; empty: there is none.
QString text_that_tells(const QWidget& top, const QStringList& secrets);

}  // namespace luthier
