// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/drawn_boxes.h"

#include <QFontMetrics>
#include <QPainter>
#include <algorithm>

#include "ui/theme.h"

namespace luthier {

void draw_boxes(QImage& shown, const std::vector<LabelledBox>& boxes, ImageSize picture) {
  if (shown.isNull() || boxes.empty() || picture.width <= 0 || picture.height <= 0) return;
  shown = shown.convertToFormat(QImage::Format_ARGB32_Premultiplied);
  QPainter painter(&shown);
  const double across = static_cast<double>(shown.width()) / picture.width,
               down = static_cast<double>(shown.height()) / picture.height;
  QFont font = painter.font();
  font.setPixelSize(std::clamp(shown.height() / 14, 9, 13));
  painter.setFont(font);
  const QFontMetrics metrics(font);
  for (const LabelledBox& box : boxes) {
    const QRectF frame(QPointF(box.corners[0] * across, box.corners[1] * down),
                       QPointF(box.corners[2] * across, box.corners[3] * down));
    painter.setPen(QPen(colours().accent, 2));
    painter.drawRect(frame);
    const QString label =
        metrics.elidedText(QString::fromStdString(box.label), Qt::ElideRight, shown.width());
    QRectF plate(frame.topLeft(), QSizeF(metrics.horizontalAdvance(label) + 4, metrics.height()));
    plate.moveLeft(std::clamp(plate.left(), 0.0, std::max(0.0, shown.width() - plate.width())));
    plate.moveTop(std::max(0.0, frame.top() - plate.height()));
    painter.fillRect(plate, colours().accent);
    painter.setPen(colours().on_accent);
    painter.drawText(plate, Qt::AlignCenter, label);
  }
}

}  // namespace luthier
