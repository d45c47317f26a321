// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/runs/parallel_plot.h"

#include <QFontMetrics>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QPainterPath>
#include <QToolTip>
#include <algorithm>
#include <cmath>

#include "ui/format.h"
#include "ui/theme.h"

namespace luthier {

namespace {

constexpr double kReach = 6;  // of the mouse to a line

double distance_to(const QPointF& at, const QPointF& from, const QPointF& to) {
  const QPointF along = to - from, off = at - from;
  const double length = QPointF::dotProduct(along, along);
  const double share =
      length > 0 ? std::clamp(QPointF::dotProduct(off, along) / length, 0.0, 1.0) : 0;
  const QPointF gap = off - share * along;
  return std::hypot(gap.x(), gap.y());
}

}  // namespace

std::vector<double> ParallelAxis::places() const {
  std::vector<double> all;
  if (numbers.empty()) {
    QStringList different = values;
    different.removeAll(QString());
    different.removeDuplicates();
    different.sort();
    for (const QString& value : values) {
      const auto at = different.indexOf(value);
      all.push_back(at < 0 ? -1.0
                    : different.size() == 1
                        ? 0.5
                        : static_cast<double>(at) / static_cast<double>(different.size() - 1));
    }
    return all;
  }
  double low = 0, high = 0;
  bool any = false;
  for (const double number : numbers) {
    if (!std::isfinite(number)) continue;
    low = any ? std::min(low, number) : number;
    high = any ? std::max(high, number) : number;
    any = true;
  }
  // Rates and ranks go up by factors: they lie apart evenly on a logarithmic axis.
  const bool factors = low > 0 && high / low >= 20;
  const auto scaled = [&](double value) { return factors ? std::log(value) : value; };
  for (const double number : numbers) {
    if (!std::isfinite(number))
      all.push_back(-1);
    else
      all.push_back(high > low ? (scaled(number) - scaled(low)) / (scaled(high) - scaled(low))
                               : 0.5);
  }
  return all;
}

ParallelPlot::ParallelPlot(QWidget* parent) : QWidget(parent) {
  setObjectName(QStringLiteral("parallelPlot"));
  setMouseTracking(true);
  setFocusPolicy(Qt::StrongFocus);
  connect(&Theme::instance(), &Theme::changed, this, [this] { update(); });
}

void ParallelPlot::show_lines(const QStringList& names, std::vector<ParallelAxis> axes) {
  names_ = names;
  axes_ = std::move(axes);
  places_.clear();
  for (const ParallelAxis& axis : axes_) places_.push_back(axis.places());
  chosen_ = hovered_ = -1;
  update();
}

void ParallelPlot::set_chosen(int line) {
  chosen_ = line;
  update();
}

QRectF ParallelPlot::frame() const {
  const QFontMetrics metrics(scaled_font(0.85));
  const double side = std::min(width() / 6.0, 70.0);
  const double head = 2.0 * metrics.height() + 8, foot = metrics.height() + 6.0;
  return {side, head, std::max(1.0, width() - 2 * side), std::max(1.0, height() - head - foot)};
}

QPointF ParallelPlot::point_of(int line, int axis) const {
  const QRectF area = frame();
  const double across =
      axes_.size() < 2 ? 0.5 : static_cast<double>(axis) / static_cast<double>(axes_.size() - 1);
  const double up = places_[static_cast<std::size_t>(axis)][static_cast<std::size_t>(line)];
  return {area.left() + across * area.width(), area.bottom() - up * area.height()};
}

double ParallelPlot::rank_of(int line) const {
  if (axes_.empty() || axes_.back().numbers.empty()) return 0.5;
  const std::vector<double>& numbers = axes_.back().numbers;
  const double own = numbers[static_cast<std::size_t>(line)];
  if (!std::isfinite(own)) return 0;
  const auto worse = std::count_if(numbers.begin(), numbers.end(),
                                   [&](double each) { return std::isfinite(each) && each > own; });
  return numbers.size() < 2 ? 1
                            : static_cast<double>(worse) / static_cast<double>(numbers.size() - 1);
}

int ParallelPlot::line_at(const QPointF& at) const {
  int nearest = -1;
  double best = kReach;
  for (int line = 0; line < names_.size(); ++line) {
    for (int axis = 0; axis + 1 < static_cast<int>(axes_.size()); ++axis) {
      const auto place = [&](int of) {
        return places_[static_cast<std::size_t>(of)][static_cast<std::size_t>(line)];
      };
      if (place(axis) < 0 || place(axis + 1) < 0) continue;
      const double far = distance_to(at, point_of(line, axis), point_of(line, axis + 1));
      if (far >= best) continue;
      best = far;
      nearest = line;
    }
  }
  return nearest;
}

QString ParallelPlot::said(int line) const {
  QStringList lines{names_[line]};
  for (const ParallelAxis& axis : axes_)
    lines << QStringLiteral("%1: %2").arg(axis.name, axis.values[line]);
  return lines.join(QLatin1Char('\n'));
}

void ParallelPlot::paintEvent(QPaintEvent*) {
  QPainter painter(this);
  painter.setRenderHint(QPainter::Antialiasing);
  const Colours& c = colours();
  const QRectF area = frame();
  painter.setFont(scaled_font(0.85));
  const QFontMetrics metrics = painter.fontMetrics();
  const int count = static_cast<int>(axes_.size());
  const double room = count > 1 ? area.width() / (count - 1) : area.width();
  for (int i = 0; i < count; ++i) {
    const ParallelAxis& axis = axes_[static_cast<std::size_t>(i)];
    const double x = count > 1 ? area.left() + i * room : area.center().x();
    painter.setPen(QPen(axis.outcome ? c.accent : c.muted, axis.outcome ? 2 : 1));
    painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()));
    painter.setPen(c.text);
    const QRectF head(x - room / 2 + 3, 0, room - 6, metrics.height() + 2);
    painter.drawText(
        head, Qt::AlignCenter,
        metrics.elidedText(axis.name, Qt::ElideMiddle, static_cast<int>(head.width())));
    painter.setPen(c.muted);
    const std::vector<double>& places = places_[static_cast<std::size_t>(i)];
    const auto write = [&](std::size_t line, double top) {
      const QRectF box(x - room / 2 + 3, top, room - 6, metrics.height() + 2);
      painter.drawText(box, Qt::AlignCenter,
                       metrics.elidedText(axis.values[static_cast<qsizetype>(line)],
                                          Qt::ElideMiddle, static_cast<int>(box.width())));
    };
    const auto low = std::find(places.begin(), places.end(), 0.0);
    const auto high = std::find(places.begin(), places.end(), 1.0);
    const auto middle = std::find(places.begin(), places.end(), 0.5);
    if (high != places.end())
      write(static_cast<std::size_t>(high - places.begin()), metrics.height() + 4);
    if (low != places.end())
      write(static_cast<std::size_t>(low - places.begin()), area.bottom() + 3);
    else if (middle != places.end())
      write(static_cast<std::size_t>(middle - places.begin()), area.bottom() + 3);
  }
  const auto draw = [&](int line, bool strong) {
    const double rank = rank_of(line);
    QColor ink = c.accent;
    ink.setAlphaF(static_cast<float>(strong ? 1 : 0.32 + 0.6 * rank * rank));
    painter.setPen(QPen(strong ? c.text : ink, strong ? 3 : 1.2 + rank));
    painter.setBrush(Qt::NoBrush);
    for (int axis = 0; axis + 1 < count; ++axis) {
      const auto at = static_cast<std::size_t>(axis), of = static_cast<std::size_t>(line);
      if (places_[at][of] < 0 || places_[at + 1][of] < 0) continue;
      const QPointF from = point_of(line, axis), to = point_of(line, axis + 1);
      painter.drawLine(from, to);
    }
    painter.setBrush(strong ? c.text : ink);
    painter.setPen(Qt::NoPen);
    for (int axis = 0; axis < count; ++axis)
      if (places_[static_cast<std::size_t>(axis)][static_cast<std::size_t>(line)] >= 0)
        painter.drawEllipse(point_of(line, axis), strong ? 4 : 3, strong ? 4 : 3);
  };
  for (int line = 0; line < names_.size(); ++line) draw(line, false);
  for (const int line : {chosen_, hovered_})
    if (line >= 0 && line < names_.size()) draw(line, true);
  if (hasFocus()) {
    painter.setPen(QPen(c.accent, 1, Qt::DotLine));
    painter.setBrush(Qt::NoBrush);
    painter.drawRect(rect().adjusted(0, 0, -1, -1));
  }
}

void ParallelPlot::mouseMoveEvent(QMouseEvent* event) {
  const int line = line_at(event->position());
  if (line != hovered_) {
    hovered_ = line;
    update();
  }
  if (line >= 0)
    QToolTip::showText(event->globalPosition().toPoint(), said(line), this);
  else
    QToolTip::hideText();
}

void ParallelPlot::mousePressEvent(QMouseEvent* event) {
  const int line = line_at(event->position());
  if (line < 0) return;
  set_chosen(line);
  emit chosen(line);
}

void ParallelPlot::leaveEvent(QEvent*) {
  hovered_ = -1;
  update();
}

void ParallelPlot::keyPressEvent(QKeyEvent* event) {
  const int step = event->key() == Qt::Key_Down ? 1 : event->key() == Qt::Key_Up ? -1 : 0;
  if (step == 0 || names_.isEmpty()) {
    QWidget::keyPressEvent(event);
    return;
  }
  const int count = static_cast<int>(names_.size());
  set_chosen(chosen_ < 0 ? 0 : (chosen_ + step + count) % count);
  emit chosen(chosen_);
}

}  // namespace luthier
