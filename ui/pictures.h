// SPDX-License-Identifier: GPL-3.0-or-later
// Pictures for lists and panes, decoded by the engine (the same pixels as the model gets) in worker
// threads, kept in a bounded cache.
#pragma once

#include <QImage>
#include <QString>
#include <functional>

#include "engine/data/row_film.h"

class QObject;

namespace luthier {

/// Calls `done` on the window's thread with the picture, its longer edge at most `edge`, and an
/// empty text; or with a null picture and the sentence of what is wrong with the file. Not called
/// when `owner` is gone by then. A picture in the cache comes at once.
void load_picture(const QString& path, int edge, QObject* owner,
                  std::function<void(const QImage&, const QString& error)> done);

/// The same of a film: at most so many of its frames side by side, each at most `edge`.
void load_film(const RowFilm& film, int frames, int edge, QObject* owner,
               std::function<void(const QImage&, const QString& error)> done);

}  // namespace luthier
