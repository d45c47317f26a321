// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/annotate/fitted_picture.h"

#include "ui/pictures.h"

namespace luthier {

namespace {
constexpr int kEdge = 900;
}

FittedPicture::FittedPicture(QWidget* parent) : QLabel(parent) {
  setAlignment(Qt::AlignCenter);
  setWordWrap(true);
  setMinimumSize(200, 160);
  setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Ignored);
}

void FittedPicture::show_file(const QString& path) {
  path_ = path;
  picture_ = {};
  clear();
  load_picture(path, kEdge, this, [this, path](const QImage& image, const QString& error) {
    if (path != path_) return;
    picture_ = image;
    if (image.isNull())
      setText(error);
    else
      fit();
  });
}

void FittedPicture::resizeEvent(QResizeEvent* event) {
  QLabel::resizeEvent(event);
  fit();
}

void FittedPicture::fit() {
  if (picture_.isNull()) return;
  const QSize room = size().boundedTo(picture_.size() * 2);
  QPixmap shown = QPixmap::fromImage(
      picture_.scaled(room * devicePixelRatioF(), Qt::KeepAspectRatio, Qt::SmoothTransformation));
  shown.setDevicePixelRatio(devicePixelRatioF());
  setPixmap(shown);
}

}  // namespace luthier
