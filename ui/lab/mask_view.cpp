// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/lab/mask_view.h"

#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QToolTip>
#include <algorithm>
#include <cmath>

#include "ui/language.h"
#include "ui/theme.h"

namespace luthier {

namespace {
constexpr double kEdge = 7;  // where noise and labels are marked, beside the square
}

MaskView::MaskView(QWidget* parent) : QWidget(parent) {
  setMouseTracking(true);
  setFocusPolicy(Qt::StrongFocus);
  connect(&Theme::instance(), &Theme::changed, this, [this] { update(); });
  on_language(this, [this] {
    setAccessibleName(tr("Who sees whom"));
    setToolTip({});
  });
}

void MaskView::set_row(const LookRow& row) {
  row_ = row;
  chosen_.reset();
  std::size_t seen = 0;
  for (const bool each : row.sees) seen += each;
  setAccessibleDescription(
      tr("%1 tokens; %2 of %3 places are seen").arg(row.size()).arg(seen).arg(row.sees.size()));
  update();
}

void MaskView::choose(std::optional<std::size_t> token) {
  if (token && *token >= row_.size()) token.reset();
  if (token == chosen_) return;
  chosen_ = token;
  update();
  emit chose(token ? static_cast<int>(*token) : -1);
}

const LookToken& MaskView::token(std::size_t i) const {
  return i < row_.read.size() ? row_.read[i] : row_.tokens[i - row_.read.size()];
}

double MaskView::cell() const {
  const double room = std::min(width(), height()) - kEdge - 2;
  const double each = room / static_cast<double>(std::max<std::size_t>(1, row_.size()));
  return each >= 2 ? std::floor(each) : each;  // whole pixels are sharp
}

QRectF MaskView::cells_box() const {
  const double side = cell() * static_cast<double>(row_.size());
  return {kEdge, kEdge, side, side};
}

std::optional<std::pair<std::size_t, std::size_t>> MaskView::cell_at(const QPointF& point) const {
  const QRectF box = cells_box();
  if (row_.size() == 0 || !box.contains(point)) return std::nullopt;
  const auto place = [&](double at) {
    return std::min(row_.size() - 1, static_cast<std::size_t>(std::max(0.0, at / cell())));
  };
  return std::pair(place(point.y() - box.top()), place(point.x() - box.left()));
}

void MaskView::paintEvent(QPaintEvent*) {
  const Colours& c = colours();
  QPainter p(this);
  const QRectF box = cells_box();
  const double side = cell();
  const std::size_t size = row_.size(), read = row_.read.size();
  if (size == 0) return;
  p.fillRect(box, c.field);
  const auto faded = [](QColor colour, double share) {
    colour.setAlphaF(static_cast<float>(share));
    return colour;
  };
  for (std::size_t i = 0; i < size; ++i) {
    const bool mine = chosen_ && *chosen_ == i;
    for (std::size_t j = 0; j < size; ++j) {
      if (!row_.at(i, j)) continue;
      // Within what is read, within what is written, and from one to the other.
      const QColor ink = i < read ? c.series[2] : j < read ? c.series[1] : c.series[0];
      const double deep = mine ? 1 : chosen_ ? 0.35 : 0.75;
      p.fillRect(QRectF(box.left() + static_cast<double>(j) * side,
                        box.top() + static_cast<double>(i) * side, side, side),
                 faded(ink, deep));
    }
  }
  if (side >= 6) {
    p.setPen(faded(c.card, 0.8));
    for (std::size_t i = 1; i < size; ++i) {
      const double at = static_cast<double>(i) * side;
      p.drawLine(QPointF(box.left() + at, box.top()), QPointF(box.left() + at, box.bottom()));
      p.drawLine(QPointF(box.left(), box.top() + at), QPointF(box.right(), box.top() + at));
    }
  }
  // What is noised stands at the top, what is learned at the left.
  for (std::size_t i = 0; i < size; ++i) {
    const double at = static_cast<double>(i) * side;
    if (token(i).noised)
      p.fillRect(QRectF(box.left() + at, 1, std::max(1.0, side - 1), kEdge - 3), c.warning);
    if (token(i).learned)
      p.fillRect(QRectF(1, box.top() + at, kEdge - 3, std::max(1.0, side - 1)), c.good);
  }
  p.setBrush(Qt::NoBrush);
  p.setPen(c.line);
  p.drawRect(box);
  if (read > 0 && read < size) {
    const double at = static_cast<double>(read) * side;
    p.setPen(QPen(c.text, 1));
    p.drawLine(QPointF(box.left() + at, box.top()), QPointF(box.left() + at, box.bottom()));
    p.drawLine(QPointF(box.left(), box.top() + at), QPointF(box.right(), box.top() + at));
  }
  if (chosen_) {
    p.setPen(QPen(c.accent, 1.5));
    p.drawRect(
        QRectF(box.left(), box.top() + static_cast<double>(*chosen_) * side, box.width(), side));
  }
  if (hasFocus()) {
    p.setPen(QPen(c.accent, 1.5));
    p.drawRect(box.adjusted(-2, -2, 2, 2));
  }
}

void MaskView::mouseMoveEvent(QMouseEvent* event) {
  const auto at = cell_at(event->position());
  if (!at) return QToolTip::hideText();
  const auto [i, j] = *at;
  const auto named = [this](std::size_t place) {
    return QString::fromStdString(token(place).piece);
  };
  const QString words =
      row_.at(i, j) ? tr("“%1” (%2) sees “%3” (%4)") : tr("“%1” (%2) does not see “%3” (%4)");
  QToolTip::showText(event->globalPosition().toPoint(),
                     words.arg(named(i)).arg(i + 1).arg(named(j)).arg(j + 1), this);
}

void MaskView::mousePressEvent(QMouseEvent* event) {
  const auto at = cell_at(event->position());
  const bool again = at && chosen_ && *chosen_ == at->first;
  choose(at && !again ? std::optional(at->first) : std::nullopt);
}

void MaskView::keyPressEvent(QKeyEvent* event) {
  const auto step = [&](int by) {
    const int size = static_cast<int>(row_.size());
    if (size == 0) return;
    const int from = chosen_ ? static_cast<int>(*chosen_) : by > 0 ? -1 : size;
    choose(static_cast<std::size_t>(std::clamp(from + by, 0, size - 1)));
  };
  switch (event->key()) {
    case Qt::Key_Up:
    case Qt::Key_Left: return step(-1);
    case Qt::Key_Down:
    case Qt::Key_Right: return step(1);
    case Qt::Key_Escape:
      if (chosen_) return choose(std::nullopt);
  }
  QWidget::keyPressEvent(event);
}

}  // namespace luthier
