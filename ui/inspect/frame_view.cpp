// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/inspect/frame_view.h"

#include <QMouseEvent>
#include <QPainter>
#include <QToolTip>
#include <algorithm>

#include "ui/theme.h"

namespace luthier {

namespace {
constexpr int kLongestEdge = 300;
constexpr int kSmallestCell = 4;  ///< pixels on the screen, below which a grid is only haze
}  // namespace

FrameView::FrameView(const ShownFrame& frame, const QString& name, QWidget* parent)
    : QWidget(parent), patch_(frame.patch) {
  image_ =
      QImage(frame.rgb.data(), frame.width, frame.height, frame.width * 3, QImage::Format_RGB888)
          .copy();
  setMouseTracking(true);
  setAccessibleName(name);
  setSizePolicy(QSizePolicy::Fixed, QSizePolicy::Fixed);
  connect(&Theme::instance(), &Theme::changed, this, [this] { update(); });
}

void FrameView::set_grid(bool on) {
  grid_ = on;
  update();
}

void FrameView::set_marked(bool on) {
  if (marked_ == on) return;
  marked_ = on;
  update();
}

double FrameView::scale() const {
  const int longest = std::max({image_.width(), image_.height(), 1});
  const double fits = static_cast<double>(kLongestEdge) / longest;
  return fits >= 1 ? std::max(1, static_cast<int>(fits)) : fits;
}

QSize FrameView::sizeHint() const {
  return (QSizeF(image_.size()) * scale()).toSize() + QSize(6, 6);
}

void FrameView::paintEvent(QPaintEvent*) {
  QPainter p(this);
  const double factor = scale();
  const QRectF box(QPointF(3, 3), QSizeF(image_.size()) * factor);
  p.setRenderHint(QPainter::SmoothPixmapTransform, factor < 1);
  p.drawImage(box, image_);
  const double cell = patch_ * factor;
  if (grid_ && patch_ > 0 && cell >= kSmallestCell) {
    // Two lines, so that the grid is seen on dark and on bright pictures.
    for (const auto& [colour, shift] :
         {std::pair{QColor(0, 0, 0, 110), 1.0}, {QColor(255, 255, 255, 170), 0.0}}) {
      p.setPen(QPen(colour, 1));
      for (int x = 0; x <= patches_across(); ++x)
        p.drawLine(QPointF(box.left() + x * cell + shift, box.top()),
                   QPointF(box.left() + x * cell + shift, box.bottom()));
      for (int y = 0; y <= patches_down(); ++y)
        p.drawLine(QPointF(box.left(), box.top() + y * cell + shift),
                   QPointF(box.right(), box.top() + y * cell + shift));
    }
  }
  if (marked_) {
    p.setPen(QPen(colours().accent, 3));
    p.drawRect(box.adjusted(-1.5, -1.5, 1.5, 1.5));
  }
}

void FrameView::mouseMoveEvent(QMouseEvent* event) {
  const QPointF at = (event->position() - QPointF(3, 3)) / scale();
  const int x = static_cast<int>(at.x()), y = static_cast<int>(at.y());
  if (!image_.valid(x, y)) return QToolTip::hideText();
  const QColor colour = image_.pixelColor(x, y);
  QString text = tr("pixel %1, %2: %3 %4 %5")
                     .arg(x)
                     .arg(y)
                     .arg(colour.red())
                     .arg(colour.green())
                     .arg(colour.blue());
  if (patch_ > 0)
    text += QLatin1Char('\n') + tr("patch %1 in row %2").arg(x / patch_ + 1).arg(y / patch_ + 1);
  QToolTip::showText(event->globalPosition().toPoint(), text, this);
}

}  // namespace luthier
