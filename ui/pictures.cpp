// SPDX-License-Identifier: GPL-3.0-or-later
// Decoding off the window's thread.
#include "ui/pictures.h"

#include <QCache>
#include <QCoreApplication>
#include <QPointer>
#include <QThreadPool>

#include "engine/data/film_strip.h"
#include "engine/vision/image.h"
#include "ui/background.h"
#include "ui/format.h"
#include "ui/messages.h"

namespace luthier {

namespace {

constexpr int kCacheKiB = 64 * 1024;

struct Kept {
  QImage image;
  QString error;  ///< as the engine says it
};

QCache<QString, Kept>& cache() {
  static QCache<QString, Kept> pictures(kCacheKiB);
  return pictures;
}

QThreadPool& workers() {
  static QThreadPool pool;
  static const bool set = [] {
    pool.setMaxThreadCount(2);
    pool.setThreadPriority(QThread::LowPriority);
    return true;
  }();
  Q_UNUSED(set);
  return pool;
}

Kept kept_of(const Result<Image>& made) {
  if (!made) return {{}, QString::fromStdString(made.error().sentence())};
  const QImage view(made->rgb.data(), made->width, made->height, 3 * made->width,
                    QImage::Format_RGB888);
  return {view.convertToFormat(QImage::Format_RGB32), {}};
}

Result<Image> small_picture(const QString& path, int edge) {
  LUTHIER_TRY(const Image image, decode_image(std::filesystem::path(path.toStdString())));
  return thumbnail(image, edge);
}

/// All that tells one film from another.
QString film_key(const RowFilm& film) {
  QString key = path_text(film.path);
  for (const std::filesystem::path& picture : film.pictures)
    key += QLatin1Char('\n') + path_text(picture);
  return key;
}

using Done = std::function<void(const QImage&, const QString&)>;

/// `make` of what is not kept under the key, off this thread.
void load_kept(const QString& key, QObject* owner, std::function<Result<Image>()> make, Done done) {
  if (const Kept* kept = cache().object(key)) {
    done(kept->image, said_text(kept->error.toStdString()));
    return;
  }
  QPointer<QObject> guard(owner);
  // Kept for others where its owner is gone by then.
  in_background_of(
      QCoreApplication::instance(), [make = std::move(make)] { return kept_of(make()); },
      [key, guard, done = std::move(done)](const Kept& kept) {
        cache().insert(key, new Kept(kept),
                       std::max<qsizetype>(1, kept.image.sizeInBytes() / 1024));
        if (guard) done(kept.image, said_text(kept.error.toStdString()));
      },
      workers());
}

}  // namespace

void load_picture(const QString& path, int edge, QObject* owner, Done done) {
  load_kept(
      QStringLiteral("%1|%2").arg(path).arg(edge), owner,
      [path, edge] { return small_picture(path, edge); }, std::move(done));
}

void load_film(const RowFilm& film, int frames, int edge, QObject* owner, Done done) {
  load_kept(
      QStringLiteral("%1|film %2|%3").arg(film_key(film)).arg(frames).arg(edge), owner,
      [film, frames, edge] { return film_strip(film, frames, edge); }, std::move(done));
}

}  // namespace luthier
