// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/compare/heat_strip.h"

#include <QHelpEvent>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QToolTip>
#include <algorithm>

#include "ui/theme.h"

namespace luthier {

namespace {

constexpr int kPadding = 4, kGap = 2, kSpace = 6;
constexpr int kSlack = 2;  // advances are rounded, and a text that is elided by it is gone

QColor ground_of(double depth) {
  const QColor from = colours().card, to = colours().series[0];
  const double share = std::clamp(depth, 0.0, 1.0) * 0.75;
  const auto mixed = [share](int a, int b) {
    return static_cast<int>(a + share * static_cast<double>(b - a) + 0.5);
  };
  return {mixed(from.red(), to.red()), mixed(from.green(), to.green()),
          mixed(from.blue(), to.blue())};
}

QColor ink_on(const QColor& ground) {
  return ground.lightnessF() > 0.55 ? QColor(0x14, 0x16, 0x1a) : QColor(0xff, 0xff, 0xff);
}

}  // namespace

HeatStrip::HeatStrip(QWidget* parent) : QWidget(parent) {
  setFocusPolicy(Qt::StrongFocus);
  setCursor(Qt::PointingHandCursor);
  QSizePolicy policy(QSizePolicy::Expanding, QSizePolicy::Minimum);
  policy.setHeightForWidth(true);
  setSizePolicy(policy);
  connect(&Theme::instance(), &Theme::changed, this, qOverload<>(&QWidget::update));
}

void HeatStrip::set_cells(std::vector<Cell> cells) {
  cells_ = std::move(cells);
  if (chosen_ && *chosen_ >= cells_.size()) chosen_.reset();
  places_ = laid_out(width());
  updateGeometry();
  update();
}

void HeatStrip::set_chosen(std::optional<std::size_t> cell) {
  chosen_ = cell && *cell < cells_.size() ? cell : std::nullopt;
  setAccessibleDescription(chosen_ ? cells_[*chosen_].tip : QString());
  update();
}

QRect HeatStrip::rect_of(std::size_t cell) const {
  return cell < places_.size() ? places_[cell] : QRect();
}

std::vector<QRect> HeatStrip::laid_out(int width) const {
  std::vector<QRect> places;
  const QFontMetrics metrics(font());
  const int height = metrics.height() + 2 * kPadding;
  int x = 0, y = 0;
  for (const Cell& cell : cells_) {
    const int wide =
        std::min(std::max(metrics.horizontalAdvance(cell.text), kSpace) + kSlack + 2 * kPadding,
                 std::max(width, 4 * kSpace));
    if (x > 0 && x + wide > width) x = 0, y += height + kGap;
    places.emplace_back(x, y, wide, height);
    x += wide + kGap;
  }
  return places;
}

int HeatStrip::heightForWidth(int width) const {
  const auto places = laid_out(width);
  return places.empty() ? fontMetrics().height() + 2 * kPadding : places.back().bottom() + 2;
}

QSize HeatStrip::sizeHint() const { return {320, heightForWidth(std::max(320, width()))}; }

void HeatStrip::resizeEvent(QResizeEvent*) {
  places_ = laid_out(width());
  updateGeometry();
}

std::optional<std::size_t> HeatStrip::at(const QPoint& place) const {
  for (std::size_t i = 0; i < places_.size(); ++i)
    if (places_[i].contains(place)) return i;
  return {};
}

void HeatStrip::mousePressEvent(QMouseEvent* event) {
  setFocus(Qt::MouseFocusReason);
  if (const auto cell = at(event->position().toPoint())) emit chose(*cell);
}

void HeatStrip::keyPressEvent(QKeyEvent* event) {
  if (cells_.empty()) return QWidget::keyPressEvent(event);
  const std::size_t last = cells_.size() - 1, here = chosen_.value_or(0);
  switch (event->key()) {
    case Qt::Key_Left: return emit chose(here > 0 ? here - 1 : 0);
    case Qt::Key_Right: return emit chose(chosen_ ? std::min(here + 1, last) : 0);
    case Qt::Key_Home: return emit chose(0);
    case Qt::Key_End: return emit chose(last);
    default: QWidget::keyPressEvent(event);
  }
}

bool HeatStrip::event(QEvent* event) {
  if (event->type() != QEvent::ToolTip) return QWidget::event(event);
  const auto* help = static_cast<QHelpEvent*>(event);
  if (const auto cell = at(help->pos()))
    QToolTip::showText(help->globalPos(), cells_[*cell].tip, this, places_[*cell]);
  else
    QToolTip::hideText();
  return true;
}

void HeatStrip::paintEvent(QPaintEvent*) {
  QPainter p(this);
  p.setRenderHint(QPainter::Antialiasing);
  for (std::size_t i = 0; i < cells_.size() && i < places_.size(); ++i) {
    const QRectF box = QRectF(places_[i]).adjusted(0.5, 0.5, -0.5, -0.5);
    const QColor ground = ground_of(cells_[i].depth);
    const bool chosen = chosen_ == i;
    p.setBrush(ground);
    if (chosen)
      p.setPen(QPen(colours().text, 2));
    else if (cells_[i].marked)
      p.setPen(QPen(colours().warning, 2, Qt::DashLine));
    else
      p.setPen(colours().line);
    p.drawRoundedRect(box, 3, 3);
    p.setPen(ink_on(ground));
    p.drawText(places_[i].adjusted(kPadding, 0, -kPadding, 0), Qt::AlignCenter | Qt::TextSingleLine,
               fontMetrics().elidedText(cells_[i].text, Qt::ElideRight,
                                        places_[i].width() - 2 * kPadding));
  }
  if (hasFocus() && !chosen_) {
    p.setPen(QPen(colours().accent, 1, Qt::DotLine));
    p.setBrush(Qt::NoBrush);
    p.drawRect(rect().adjusted(0, 0, -1, -1));
  }
}

}  // namespace luthier
