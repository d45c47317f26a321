// SPDX-License-Identifier: GPL-3.0-or-later
// Pictures of one state in every look: sizes of the window, both languages, both themes. What is
// shown stands still meanwhile; only its looks change.
#pragma once

#include <QList>
#include <QSize>
#include <QString>
#include <QStringList>

#include "engine/base/result.h"

class QWidget;

namespace luthier {

struct PictureOptions {
  QString folder;      ///< DIR/en-light/NAME.png, of several sizes DIR/1024x700/en-light/…
  QList<QSize> sizes;  ///< of the window; one of its own (a dialog) has one size
  QStringList languages, themes;  ///< empty: all
};

class PictureLooks {
 public:
  PictureLooks(PictureOptions options, const QStringList& secrets);

  Status make_folders() const;
  /// In every look, then as it was before. `top` is the main window or one of its own.
  Status save(QWidget& top, const QString& name);
  /// Of pictures that showed a path of this machine: their names with the text.
  const QStringList& telling() const { return telling_; }

 private:
  QString folder_of(const QSize& size, const QString& language, const QString& theme) const;
  Status grab(QWidget& top, const QString& file, const QString& name);

  PictureOptions options_;
  QStringList secrets_, telling_;
};

/// The event loop runs for so long.
void settle(int milliseconds);

}  // namespace luthier
