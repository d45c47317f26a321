// SPDX-License-Identifier: GPL-3.0-or-later
// Flow and painting of the legend.
#include "ui/widgets/legend.h"

#include <QPainter>
#include <QStringList>

#include "ui/theme.h"

namespace luthier {

namespace {
constexpr int kMark = 16, kGap = 5, kBetween = 14;
}

Legend::Legend(QWidget* parent) : QWidget(parent) {
  setFont(scaled_font(0.85));
  QSizePolicy policy(QSizePolicy::Expanding, QSizePolicy::Minimum);
  policy.setHeightForWidth(true);
  setSizePolicy(policy);
}

void Legend::set_entries(std::vector<LegendEntry> entries) {
  const int before = heightForWidth(width());
  entries_ = std::move(entries);
  QStringList words;
  for (const LegendEntry& e : entries_) words << e.name + QLatin1Char(' ') + e.value;
  setAccessibleDescription(words.join(QStringLiteral(", ")));
  if (heightForWidth(width()) != before) updateGeometry();
  update();
}

int Legend::entry_width(const LegendEntry& entry) const {
  const QFontMetrics metrics(font());
  int wide = kMark + kGap + metrics.horizontalAdvance(entry.name);
  // Room for a value of usual length, so that names stand still while values change.
  if (!entry.value.isEmpty())
    wide += kGap + std::max(metrics.horizontalAdvance(entry.value),
                            metrics.horizontalAdvance(QStringLiteral("00000")));
  return wide;
}

int Legend::flow(int width, QPainter* painter) const {
  const QFontMetrics metrics(font());
  const int line = metrics.height() + 2;
  int x = 0, y = 0;
  for (const LegendEntry& entry : entries_) {
    const int wide = entry_width(entry);
    if (x > 0 && x + wide > width && !single_line_) {
      x = 0;
      y += line;
    }
    if (painter) {
      const double middle = y + line / 2.0;
      QColor ink = entry.colour;
      painter->setPen(Qt::NoPen);
      switch (entry.mark) {
        case LegendEntry::Mark::Block:
          painter->setBrush(ink);
          painter->drawRoundedRect(QRectF(x + 2, middle - 5, 11, 10), 2, 2);
          break;
        case LegendEntry::Mark::Dot:
          painter->setBrush(ink);
          painter->drawEllipse(QPointF(x + kMark / 2.0, middle), 3.5, 3.5);
          break;
        default: {
          if (entry.mark == LegendEntry::Mark::Faded) ink.setAlphaF(0.4f);
          QPen pen(ink, entry.mark == LegendEntry::Mark::Faded ? 1.4 : 2);
          if (entry.mark == LegendEntry::Mark::Dashed) pen.setDashPattern({2.5, 1.8});
          painter->setPen(pen);
          painter->drawLine(QPointF(x, middle), QPointF(x + kMark, middle));
        }
      }
      const int base = y + metrics.ascent() + 1;
      painter->setPen(colours().muted);
      painter->drawText(x + kMark + kGap, base, entry.name);
      painter->setPen(colours().text);
      painter->drawText(x + kMark + 2 * kGap + metrics.horizontalAdvance(entry.name), base,
                        entry.value);
    }
    x += wide + kBetween;
  }
  return entries_.empty() ? 0 : y + line;
}

int Legend::heightForWidth(int width) const { return flow(std::max(width, 80), nullptr); }
QSize Legend::sizeHint() const { return {260, heightForWidth(width() > 80 ? width() : 260)}; }
QSize Legend::minimumSizeHint() const { return {60, QFontMetrics(font()).height() + 2}; }

void Legend::paintEvent(QPaintEvent*) {
  QPainter p(this);
  p.setRenderHint(QPainter::Antialiasing);
  flow(width(), &p);
}

}  // namespace luthier
