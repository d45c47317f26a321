// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/train/reward_plot.h"

#include <QMouseEvent>
#include <QPainter>
#include <QToolTip>
#include <algorithm>
#include <cmath>

#include "ui/format.h"
#include "ui/language.h"
#include "ui/theme.h"

namespace luthier {

namespace {

constexpr int kHead = 22, kFoot = 20, kBetween = 16, kEnd = 8;
constexpr double kWidestColumn = 14;
constexpr int kNarrowestColumn = 3;  // of pixels: narrower ones are put together

QColor shade_of(double share) {
  const QColor none = colours().card, all = colours().series[0];
  // A single answer of many is seen, too.
  const double part = share <= 0 ? 0 : 0.12 + 0.88 * std::sqrt(share);
  const auto mix = [part](int a, int b) { return static_cast<int>(a + part * (b - a)); };
  return QColor(mix(none.red(), all.red()), mix(none.green(), all.green()),
                mix(none.blue(), all.blue()));
}

int axis_width(const RewardScale& scale) {
  const QFontMetrics metrics(scaled_font(0.85));
  int widest = 0;
  for (const double reward : {scale.low, (scale.low + scale.high) / 2, scale.high})
    widest = std::max(widest, metrics.horizontalAdvance(number_text(reward, 3)));
  return widest + 8;
}

}  // namespace

RewardPlot::RewardPlot(QWidget* parent) : QWidget(parent) {
  setObjectName(QStringLiteral("rewardPlot"));
  setMouseTracking(true);
  setFocusPolicy(Qt::StrongFocus);
  setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
  connect(&Theme::instance(), &Theme::changed, this, qOverload<>(&QWidget::update));
  on_language(this, [this] {
    setAccessibleName(tr("How the rewards are spread"));
    update();
  });
}

void RewardPlot::set_spreads(std::vector<RewardSpread> spreads, const RewardScale& scale) {
  spreads_ = std::move(spreads);
  scale_ = scale;
  join();
}

void RewardPlot::set_shown(std::size_t place) {
  shown_ = place;
  update();
}

void RewardPlot::resizeEvent(QResizeEvent* event) {
  QWidget::resizeEvent(event);
  join();
}

void RewardPlot::join() {
  const int most = std::max(1, run().width() / kNarrowestColumn);
  columns_ = joined_spreads(spreads_, static_cast<std::size_t>(most));
  update();
}

QRect RewardPlot::bars() const {
  const int left = axis_width(scale_);
  return {left, kHead, (width() - left - kBetween - kEnd) / 3, height() - kHead - kFoot};
}

QRect RewardPlot::run() const {
  const int left = bars().right() + 1 + kBetween;
  return {left, kHead, std::max(1, width() - left - kEnd), height() - kHead - kFoot};
}

double RewardPlot::column_width() const {
  const auto count = static_cast<double>(std::max<std::size_t>(1, columns_.size()));
  return std::min(kWidestColumn, run().width() / count);
}

double RewardPlot::y_of(double reward) const {
  const QRect area = run();
  const double share = std::clamp((reward - scale_.low) / (scale_.high - scale_.low), 0.0, 1.0);
  return area.top() + (1 - share) * area.height();
}

QRect RewardPlot::column_of(std::size_t place) const {
  if (columns_.empty() || place >= spreads_.size()) return {};
  // The first column whose end lies behind the place, as joined_spreads cuts them.
  std::size_t column = place * columns_.size() / spreads_.size();
  while ((column + 1) * spreads_.size() / columns_.size() <= place) ++column;
  const QRect area = run();
  const double width = column_width(), left = area.left() + width * static_cast<double>(column);
  return QRectF(left, area.top(), width, area.height()).toRect();
}

std::size_t RewardPlot::column_at(const QPoint& at) const {
  if (!run().adjusted(0, -kHead, 0, kFoot).contains(at)) return columns_.size();
  return static_cast<std::size_t>((at.x() - run().left()) / column_width());
}

void RewardPlot::paint_axis(QPainter& p) const {
  const QFontMetrics metrics(p.font());
  const QRect left = bars();
  p.setPen(colours().muted);
  for (const double reward : {scale_.low, (scale_.low + scale_.high) / 2, scale_.high}) {
    const QRectF box(0, y_of(reward) - metrics.height() / 2.0, left.left() - 6, metrics.height());
    p.drawText(box, Qt::AlignRight | Qt::AlignVCenter, number_text(reward, 3));
  }
}

void RewardPlot::paint_bars(QPainter& p) const {
  if (shown_ >= spreads_.size()) return;
  const RewardSpread& spread = spreads_[shown_];
  const QRect area = bars();
  const std::size_t most = *std::max_element(spread.bins.begin(), spread.bins.end());
  const double tall = static_cast<double>(area.height()) / kRewardBins;
  for (std::size_t i = 0; i < kRewardBins; ++i) {
    if (spread.bins[i] == 0) continue;
    const double share = static_cast<double>(spread.bins[i]) / static_cast<double>(most);
    const double top = area.bottom() + 1 - tall * static_cast<double>(i + 1);
    p.fillRect(QRectF(area.left(), top + 1, std::max(2.0, share * area.width()), tall - 2),
               colours().series[0]);
  }
  p.setPen(colours().line);
  p.drawLine(area.left() - 1, area.top(), area.left() - 1, area.bottom());
  p.setPen(colours().text);
  const QString head =
      spread.count == 0
          ? tr("Step %1: no rewards").arg(spread.step)
          : tr("Step %1: mean %2").arg(QString::number(spread.step), number_text(spread.mean, 3));
  const QFontMetrics metrics(p.font());
  p.drawText(QRect(area.left(), 0, area.width(), kHead), Qt::AlignLeft | Qt::AlignTop,
             metrics.elidedText(head, Qt::ElideRight, area.width()));
  if (most == 0) return;
  p.setPen(colours().muted);
  const QRect foot(area.left(), area.bottom() + 3, area.width(), kFoot);
  p.drawText(foot, Qt::AlignRight | Qt::AlignTop,
             tr("%n answers", nullptr, static_cast<int>(most)));
}

void RewardPlot::paint_run(QPainter& p) const {
  const QRect area = run();
  const double width = column_width(), tall = static_cast<double>(area.height()) / kRewardBins;
  const double gap = width >= 6 ? 1 : 0;
  QPolygonF means;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const RewardSpread& column = columns_[i];
    if (column.count == 0) continue;
    const double left = area.left() + width * static_cast<double>(i);
    for (std::size_t bin = 0; bin < kRewardBins; ++bin) {
      if (column.bins[bin] == 0) continue;
      const double share =
          static_cast<double>(column.bins[bin]) / static_cast<double>(column.count);
      const double top = area.bottom() + 1 - tall * static_cast<double>(bin + 1);
      p.fillRect(QRectF(left, top, width - gap, tall - gap), shade_of(share));
    }
    means << QPointF(left + width / 2, y_of(column.mean));
  }
  p.setRenderHint(QPainter::Antialiasing);
  p.setPen(QPen(colours().series[1], 2 * Theme::instance().line_scale()));
  if (means.size() > 1) p.drawPolyline(means);
  if (means.size() == 1) p.drawEllipse(means.front(), 2, 2);
  p.setRenderHint(QPainter::Antialiasing, false);
  p.setPen(colours().line);
  p.drawLine(area.left() - 1, area.top(), area.left() - 1, area.bottom());
  const QFontMetrics metrics(p.font());
  p.setPen(colours().text);
  p.drawText(QRect(area.left(), 0, area.width(), kHead), Qt::AlignLeft | Qt::AlignTop,
             metrics.elidedText(tr("Over the run, with the mean"), Qt::ElideRight, area.width()));
  if (spreads_.empty()) return;
  const QRect mark = column_of(shown_);
  p.setPen(QPen(colours().text, 1));
  p.setBrush(Qt::NoBrush);
  p.drawRect(QRectF(mark).adjusted(-0.5, 0.5, 0.5, 0.5));
  p.setPen(colours().muted);
  const QRect foot(area.left(), area.bottom() + 3, area.width(), kFoot);
  p.drawText(foot, Qt::AlignLeft | Qt::AlignTop, tr("step %1").arg(spreads_.front().step));
  const QRect end(area.left(), foot.top(),
                  static_cast<int>(width * static_cast<double>(columns_.size())), kFoot);
  const QString last = QString::number(spreads_.back().step);
  const int taken = metrics.horizontalAdvance(tr("step %1").arg(spreads_.front().step)) + 12;
  if (end.width() >= taken + metrics.horizontalAdvance(last))
    p.drawText(end, Qt::AlignRight | Qt::AlignTop, last);
}

void RewardPlot::paintEvent(QPaintEvent*) {
  QPainter p(this);
  p.setFont(scaled_font(0.85));
  paint_axis(p);
  paint_bars(p);
  paint_run(p);
  if (!hasFocus()) return;
  p.setPen(QPen(colours().accent, 1));
  p.setBrush(Qt::NoBrush);
  p.drawRect(rect().adjusted(0, 0, -1, -1));
}

void RewardPlot::show_tip(const QPoint& at, const QPoint& on_screen) {
  const std::size_t column = column_at(at);
  if (column < columns_.size()) {
    const RewardSpread& spread = columns_[column];
    const QString steps = spread.step == spread.last_step
                              ? tr("Step %1").arg(spread.step)
                              : tr("Steps %1 to %2").arg(spread.step).arg(spread.last_step);
    const QString facts = tr("%n answers", nullptr, static_cast<int>(spread.count));
    QToolTip::showText(on_screen,
                       spread.count == 0
                           ? steps
                           : tr("%1: %2, mean %3, from %4 to %5")
                                 .arg(steps, facts, number_text(spread.mean, 3),
                                      number_text(spread.low, 3), number_text(spread.high, 3)),
                       this);
    return;
  }
  const QRect area = bars();
  if (shown_ >= spreads_.size() || !area.contains(at)) {
    QToolTip::hideText();
    return;
  }
  const auto bin = static_cast<std::size_t>(
      std::clamp((area.bottom() - at.y()) * static_cast<int>(kRewardBins) / area.height(), 0,
                 static_cast<int>(kRewardBins) - 1));
  QToolTip::showText(
      on_screen,
      tr("%1 to %2: %n answers", nullptr, static_cast<int>(spreads_[shown_].bins[bin]))
          .arg(number_text(scale_.edge(bin), 3), number_text(scale_.edge(bin + 1), 3)),
      this);
}

void RewardPlot::mouseMoveEvent(QMouseEvent* event) {
  show_tip(event->pos(), event->globalPosition().toPoint());
}

void RewardPlot::mousePressEvent(QMouseEvent* event) {
  const std::size_t column = column_at(event->pos());
  if (column >= columns_.size()) return;
  emit chosen(column * spreads_.size() / columns_.size());
}

void RewardPlot::keyPressEvent(QKeyEvent* event) {
  const std::size_t last = spreads_.empty() ? 0 : spreads_.size() - 1;
  switch (event->key()) {
    case Qt::Key_Left: emit chosen(shown_ > 0 ? shown_ - 1 : 0); return;
    case Qt::Key_Right: emit chosen(std::min(shown_ + 1, last)); return;
    case Qt::Key_Home: emit chosen(0); return;
    case Qt::Key_End: emit chosen(last); return;
    default: QWidget::keyPressEvent(event);
  }
}

}  // namespace luthier
