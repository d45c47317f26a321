// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/train/plot_marks.h"

#include <qcustomplot.h>

#include "ui/theme.h"

namespace luthier {

namespace {

constexpr std::size_t kMostMarks = 200;  // the newest; a line for each of more hides the curves
constexpr std::size_t kMostWords = 6;
constexpr qsizetype kLongestWords = 36;

void stand_at(QCPItemStraightLine* line, double x) {
  for (QCPItemPosition* point : {line->point1, line->point2}) {
    point->setTypeX(QCPItemPosition::ptPlotCoords);
    point->setTypeY(QCPItemPosition::ptAxisRectRatio);
    point->setCoords(x, point == line->point1 ? 0 : 1);
  }
}

QString in_short(const QString& text) {
  return text.size() <= kLongestWords ? text : text.left(kLongestWords - 1) + QChar(0x2026);
}

}  // namespace

void PlotMarks::set(std::vector<PlotMark> marks, bool words) {
  if (marks.size() > kMostMarks)
    marks.erase(marks.begin(), marks.end() - static_cast<std::ptrdiff_t>(kMostMarks));
  marks_ = std::move(marks);
  words_ = words && marks_.size() <= kMostWords;
  const auto fit = [this](auto& items, std::size_t count, const auto& make) {
    for (; items.size() > count; items.pop_back()) plot_->removeItem(items.back());
    while (items.size() < count) items.push_back(make());
  };
  fit(lines_, marks_.size(), [this] { return new QCPItemStraightLine(plot_); });
  fit(texts_, words_ ? marks_.size() : 0, [this] {
    auto* text = new QCPItemText(plot_);
    text->position->setTypeX(QCPItemPosition::ptPlotCoords);
    text->position->setTypeY(QCPItemPosition::ptAxisRectRatio);
    text->setPadding(QMargins(3, 1, 3, 1));
    return text;
  });
  const QCPRange view = plot_->xAxis->range();
  for (std::size_t i = 0; i < marks_.size(); ++i) {
    stand_at(lines_[i], marks_[i].x);
    if (i >= texts_.size()) continue;
    texts_[i]->setText(in_short(marks_[i].text));
    // On the side where there is room, each a line lower than the one before.
    const bool left = marks_[i].x > view.center();
    texts_[i]->setPositionAlignment((left ? Qt::AlignRight : Qt::AlignLeft) | Qt::AlignTop);
    texts_[i]->position->setCoords(marks_[i].x, 0.16 * static_cast<double>(i % 5));
  }
  restyle();
}

void PlotMarks::restyle() {
  const Colours& c = colours();
  for (std::size_t i = 0; i < marks_.size(); ++i) {
    const QColor ink = marks_[i].warns ? c.warning : c.muted;
    QPen pen(ink, marks_[i].warns ? 1.6 : 1.2);
    pen.setDashPattern({3, 3});
    lines_[i]->setPen(pen);
    if (i >= texts_.size()) continue;
    texts_[i]->setColor(ink);
    texts_[i]->setFont(scaled_font(0.8));
    texts_[i]->setBrush(c.card);
  }
}

}  // namespace luthier
