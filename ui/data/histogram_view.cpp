// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/histogram_view.h"

#include <QHelpEvent>
#include <QPainter>
#include <QToolTip>
#include <algorithm>

#include "ui/format.h"
#include "ui/theme.h"

namespace luthier {

namespace {
constexpr int kDigits = 4;  // of a figure of the spread
}  // namespace

HistogramView::HistogramView(QWidget* parent) : QWidget(parent) {
  setMinimumSize(200, 130);
  setMouseTracking(true);
  connect(&Theme::instance(), &Theme::changed, this, qOverload<>(&QWidget::update));
}

void HistogramView::show_values(const QString& title, const Histogram& histogram) {
  title_ = title;
  values_ = histogram;
  setAccessibleName(title);
  setAccessibleDescription(
      tr("%1: mean %2, median %3, from %4 to %5")
          .arg(title, number_text(histogram.mean, kDigits), number_text(histogram.median, kDigits),
               number_text(histogram.minimum, kDigits), number_text(histogram.maximum, kDigits)));
  update();
}

QRectF HistogramView::plot() const {
  const int line = fontMetrics().height();
  return QRectF(rect()).adjusted(2, line * 2 + 6, -2, -line - 4);
}

QString HistogramView::words_of(std::size_t bar) const {
  return tr("%1 to %2: %3")
      .arg(number_text(values_.edges[bar], kDigits), number_text(values_.edges[bar + 1], kDigits),
           grouped_text(static_cast<std::int64_t>(values_.counts[bar])));
}

void HistogramView::paintEvent(QPaintEvent*) {
  QPainter painter(this);
  painter.setRenderHint(QPainter::Antialiasing);
  const int line = fontMetrics().height();
  painter.setPen(colours().text);
  painter.drawText(QRectF(2, 0, width() - 4, line), Qt::AlignLeft | Qt::AlignVCenter,
                   fontMetrics().elidedText(title_, Qt::ElideRight, width() - 4));
  painter.setPen(colours().muted);
  const QString facts = values_.counts.empty() ? tr("none")
                                               : tr("median %1 · 95 % below %2")
                                                     .arg(number_text(values_.median, kDigits),
                                                          number_text(values_.high, kDigits));
  painter.drawText(QRectF(2, line, width() - 4, line), Qt::AlignLeft | Qt::AlignVCenter,
                   fontMetrics().elidedText(facts, Qt::ElideRight, width() - 4));
  if (values_.counts.empty()) return;
  const QRectF area = plot();
  const double most =
      static_cast<double>(*std::max_element(values_.counts.begin(), values_.counts.end()));
  const double step = area.width() / static_cast<double>(values_.counts.size());
  painter.setPen(Qt::NoPen);
  painter.setBrush(colours().series[0]);
  for (std::size_t i = 0; i < values_.counts.size(); ++i) {
    if (values_.counts[i] == 0) continue;
    const double high =
        std::max(1.0, area.height() * static_cast<double>(values_.counts[i]) / most);
    painter.drawRect(QRectF(area.left() + step * static_cast<double>(i), area.bottom() - high,
                            std::max(1.0, step - 1), high));
  }
  painter.setPen(colours().line);
  painter.drawLine(area.bottomLeft(), area.bottomRight());
  painter.setPen(colours().muted);
  const QRectF foot(area.left(), area.bottom() + 2, area.width(), line);
  painter.drawText(foot, Qt::AlignLeft, number_text(values_.edges.front(), kDigits));
  painter.drawText(foot, Qt::AlignRight, number_text(values_.edges.back(), kDigits));
}

bool HistogramView::event(QEvent* event) {
  if (event->type() != QEvent::ToolTip || values_.counts.empty()) return QWidget::event(event);
  const auto* help = static_cast<QHelpEvent*>(event);
  const QRectF area = plot();
  const double at = (help->pos().x() - area.left()) / area.width();
  const auto count = static_cast<double>(values_.counts.size());
  if (at < 0 || at >= 1)
    QToolTip::hideText();
  else
    QToolTip::showText(help->globalPos(), words_of(static_cast<std::size_t>(at * count)), this);
  return true;
}

}  // namespace luthier
