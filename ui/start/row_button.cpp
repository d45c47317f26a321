// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/start/row_button.h"

#include <QPainter>

#include "ui/theme.h"

namespace luthier {

RowButton::RowButton(const QString& name, const QString& detail, QWidget* parent)
    : QAbstractButton(parent), name_(name), detail_(detail) {
  setAccessibleName(name);
  setAccessibleDescription(detail);
  setFocusPolicy(Qt::StrongFocus);
  setCursor(Qt::PointingHandCursor);
  setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
  connect(&Theme::instance(), &Theme::changed, this, [this] { updateGeometry(); });
}

QSize RowButton::sizeHint() const { return {scaled_length(180), scaled_length(42)}; }
QSize RowButton::minimumSizeHint() const { return {80, scaled_length(42)}; }

void RowButton::paintEvent(QPaintEvent*) {
  const Colours& c = colours();
  QPainter p(this);
  p.setRenderHint(QPainter::Antialiasing);
  if (isEnabled() && (underMouse() || hasFocus())) {
    QColor fill = c.accent;
    fill.setAlphaF(0.1f);
    p.setPen(hasFocus() ? QPen(c.accent, 1.5) : QPen(Qt::NoPen));
    p.setBrush(fill);
    p.drawRoundedRect(QRectF(rect()).adjusted(1, 1, -1, -1), 6, 6);
  }
  const int half = height() / 2;
  const auto line = [&](const QString& text, const QFont& font, const QColor& ink, int top) {
    p.setFont(font);
    p.setPen(ink);
    p.drawText(QRect(8, top, width() - 16, half - 2), Qt::AlignVCenter,
               QFontMetrics(font).elidedText(text, Qt::ElideMiddle, width() - 16));
  };
  line(name_, scaled_font(1.0), isEnabled() ? c.text : c.muted, 2);
  line(detail_, scaled_font(0.85), c.muted, half);
}

}  // namespace luthier
