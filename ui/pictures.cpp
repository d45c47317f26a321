// SPDX-License-Identifier: GPL-3.0-or-later
// Decoding off the window's thread.
#include "ui/pictures.h"

#include <QCache>
#include <QCoreApplication>
#include <QPointer>
#include <QThreadPool>

#include "engine/vision/image.h"
#include "ui/background.h"
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

Kept decode(const QString& path, int edge) {
  const auto decoded = decode_image(std::filesystem::path(path.toStdString()));
  if (!decoded) return {{}, QString::fromStdString(decoded.error().sentence())};
  const Image small = thumbnail(*decoded, edge);
  const QImage view(small.rgb.data(), small.width, small.height, 3 * small.width,
                    QImage::Format_RGB888);
  return {view.convertToFormat(QImage::Format_RGB32), {}};
}

}  // namespace

void load_picture(const QString& path, int edge, QObject* owner,
                  std::function<void(const QImage&, const QString&)> done) {
  const QString key = QStringLiteral("%1|%2").arg(path).arg(edge);
  if (const Kept* kept = cache().object(key)) {
    done(kept->image, said_text(kept->error.toStdString()));
    return;
  }
  QPointer<QObject> guard(owner);
  // Kept for others where its owner is gone by then.
  in_background_of(
      QCoreApplication::instance(), [path, edge] { return decode(path, edge); },
      [key, guard, done = std::move(done)](const Kept& kept) {
        cache().insert(key, new Kept(kept),
                       std::max<qsizetype>(1, kept.image.sizeInBytes() / 1024));
        if (guard) done(kept.image, said_text(kept.error.toStdString()));
      },
      workers());
}

}  // namespace luthier
