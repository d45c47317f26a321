// SPDX-License-Identifier: GPL-3.0-or-later
// Painting of the stacked bar. Where the parts are a sliver of what is available, the bar is scaled
// to the parts and says so by its end.
#include "ui/widgets/stacked_bar.h"

#include <QPainter>
#include <QPainterPath>

#include "ui/theme.h"

namespace luthier {

StackedBar::StackedBar(QWidget* parent) : QWidget(parent) {
  setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
  setFixedHeight(18);
}

void StackedBar::set_parts(std::vector<Part> parts, double available) {
  parts_ = std::move(parts);
  available_ = available;
  update();
}

void StackedBar::draw(QPainter& p, const QRectF& box, const std::vector<Part>& parts,
                      double whole) {
  QPainterPath round;
  round.addRoundedRect(box, 4, 4);
  p.setPen(QPen(colours().line, 1));
  p.setBrush(colours().field);
  p.drawPath(round);
  if (whole <= 0) return;
  p.save();
  p.setClipPath(round, Qt::IntersectClip);
  double x = box.left();
  for (const Part& part : parts) {
    const double width = box.width() * part.value / whole;
    p.fillRect(QRectF(x, box.top(), width, box.height()), part.colour);
    if (x > box.left() && width > 2)
      p.fillRect(QRectF(x, box.top(), 1, box.height()), colours().card);
    x += width;
  }
  p.restore();
  p.setPen(QPen(colours().line, 1));
  p.setBrush(Qt::NoBrush);
  p.drawPath(round);
}

void StackedBar::paintEvent(QPaintEvent*) {
  QPainter p(this);
  p.setRenderHint(QPainter::Antialiasing);
  double total = 0;
  for (const Part& part : parts_) total += part.value;
  const QRectF box = QRectF(rect()).adjusted(0.5, 1.5, -0.5, -1.5);
  const bool over = available_ > 0 && total > available_;
  // At least three quarters of the width show the parts, so that they can be told apart even where
  // they take little of the device.
  draw(p, box, parts_, over ? total : std::min(available_ > 0 ? available_ : total, total / 0.75));
  if (!over) return;
  QPainterPath round;
  round.addRoundedRect(box, 4, 4);
  p.setClipPath(round);
  const double mark = box.left() + box.width() * available_ / total;
  p.fillRect(QRectF(mark - 1, box.top(), 2, box.height()), colours().error);
  p.fillRect(QRectF(mark, box.top(), box.right() - mark, box.height()),
             QBrush(colours().error, Qt::BDiagPattern));
  p.setClipping(false);
  p.setPen(QPen(colours().error, 1));
  p.setBrush(Qt::NoBrush);
  p.drawPath(round);
}

}  // namespace luthier
