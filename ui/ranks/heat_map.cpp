// SPDX-License-Identifier: GPL-3.0-or-later
// Painting. The scale is one colour that deepens, so that more is darker on light and brighter on
// dark, and any colour vision reads it; its ends are written beside it.
#include "ui/ranks/heat_map.h"

#include <QFontMetrics>
#include <QKeyEvent>
#include <QLinearGradient>
#include <QMouseEvent>
#include <QPainter>
#include <QToolTip>
#include <algorithm>
#include <cmath>

#include "ui/format.h"
#include "ui/theme.h"

namespace luthier {

namespace {

constexpr int kScaleHeight = 26, kHeadHeight = 20, kGap = 8;
constexpr double kTallest = 40, kWidest = 120;

/// `share` from 0 to 1 of the way from nearly the card to the accent.
QColor shade(double share) {
  const Colours& c = colours();
  const QColor &from = c.card, &to = c.accent;
  const double at = 0.06 + 0.94 * std::clamp(share, 0.0, 1.0);
  const auto mix = [at](int a, int b) { return static_cast<int>(a + (b - a) * at); };
  return {mix(from.red(), to.red()), mix(from.green(), to.green()), mix(from.blue(), to.blue())};
}

/// Relative luminance by WCAG.
double luminance(const QColor& colour) {
  const auto linear = [](double part) {
    return part <= 0.03928 ? part / 12.92 : std::pow((part + 0.055) / 1.055, 2.4);
  };
  return 0.2126 * linear(colour.redF()) + 0.7152 * linear(colour.greenF()) +
         0.0722 * linear(colour.blueF());
}

/// Of the theme's two inks the one that is read better there.
QColor ink_on(const QColor& ground) {
  const auto contrast = [&](const QColor& ink) {
    const double a = luminance(ink) + 0.05, b = luminance(ground) + 0.05;
    return a > b ? a / b : b / a;
  };
  const Colours& c = colours();
  return contrast(c.on_accent) > contrast(c.text) ? c.on_accent : c.text;
}

}  // namespace

HeatMap::HeatMap(QWidget* parent) : QWidget(parent) {
  setObjectName(QStringLiteral("heatMap"));
  setMouseTracking(true);
  setFocusPolicy(Qt::StrongFocus);
  connect(&Theme::instance(), &Theme::changed, this, [this] { update(); });
}

void HeatMap::set_ranks(std::shared_ptr<const AdapterRanks> ranks) {
  ranks_ = std::move(ranks);
  grid_ = ranks_ ? heat_grid(*ranks_) : HeatGrid();
  update();
}

void HeatMap::set_shown(Shown shown) {
  shown_ = shown;
  update();
}

void HeatMap::set_chosen(std::size_t module) {
  chosen_ = module;
  update();
}

double HeatMap::value_of(std::size_t module) const {
  const ModuleRanks& ranks = ranks_->modules[module];
  return shown_ == Shown::Norm ? ranks.norm : ranks.effective;
}

double HeatMap::largest() const {
  double most = 0;
  for (std::size_t i = 0; ranks_ && i < ranks_->modules.size(); ++i)
    most = std::max(most, value_of(i));
  return most;
}

HeatMap::Frame HeatMap::frame() const {
  const QFontMetrics metrics(scaled_font(0.85));
  int label = 0;
  for (const QString& row : grid_.rows) label = std::max(label, metrics.horizontalAdvance(row));
  Frame frame{std::min(label + 2 + kGap, width() / 3), kHeadHeight, 0, 0};
  const auto rows = std::max<double>(1, static_cast<double>(grid_.rows.size()));
  const auto columns = std::max<double>(1, static_cast<double>(grid_.columns.size()));
  frame.width = std::min(kWidest, (width() - frame.left - 2) / columns);
  frame.height = std::min(kTallest, (height() - frame.top - kScaleHeight) / rows);
  return frame;
}

QRect HeatMap::cell(std::size_t row, std::size_t column) const {
  const Frame f = frame();
  const QRectF exact(f.left + static_cast<double>(column) * f.width,
                     f.top + static_cast<double>(row) * f.height, f.width, f.height);
  return exact.toRect();
}

QRect HeatMap::cell_of(std::size_t module) const {
  for (std::size_t row = 0; row < grid_.modules.size(); ++row)
    for (std::size_t column = 0; column < grid_.modules[row].size(); ++column)
      if (grid_.modules[row][column] == module) return cell(row, column);
  return {};
}

std::size_t HeatMap::module_at(const QPoint& at) const {
  for (std::size_t row = 0; row < grid_.modules.size(); ++row)
    for (std::size_t column = 0; column < grid_.modules[row].size(); ++column)
      if (cell(row, column).contains(at)) return grid_.modules[row][column];
  return HeatGrid::kNone;
}

/// All cells have their figures or none has; in narrow cells shorter ones. 0: none.
int HeatMap::digits_that_fit(const QFontMetrics& metrics, double width, double height) const {
  constexpr int kRoom = 6;
  if (height <= metrics.height()) return 0;
  for (const int digits : {3, 2}) {
    int widest = 0;
    for (std::size_t i = 0; i < ranks_->modules.size(); ++i)
      widest =
          std::max(widest, metrics.horizontalAdvance(number_text(value_of(i), digits)) + kRoom);
    if (widest <= width) return digits;
  }
  return 0;
}

void HeatMap::paintEvent(QPaintEvent*) {
  if (!ranks_ || ranks_->modules.empty()) return;
  const Colours& c = colours();
  QPainter p(this);
  p.setFont(scaled_font(0.85));
  const QFontMetrics metrics(p.font());
  const Frame f = frame();
  const double most = largest();
  p.setPen(c.muted);
  for (qsizetype column = 0; column < grid_.columns.size(); ++column) {
    const QRectF box(f.left + static_cast<double>(column) * f.width, 0, f.width, kHeadHeight);
    // As people call them: q, k, v, o, gate, up, down. A cell's tooltip has the whole name.
    QString name = grid_.columns[column];
    if (name.endsWith(QLatin1String("_proj"))) name.chop(5);
    p.drawText(box, Qt::AlignCenter,
               metrics.elidedText(name, Qt::ElideRight, static_cast<int>(f.width) - 2));
  }
  // Labels where there is room for them: every one, or every second, …
  const auto every =
      static_cast<qsizetype>(std::max(1.0, std::ceil(metrics.height() / std::max(1.0, f.height))));
  for (qsizetype row = 0; row < grid_.rows.size(); row += every) {
    const QRectF box(0, f.top + static_cast<double>(row) * f.height, f.left - kGap,
                     std::max<double>(f.height, metrics.height()));
    p.drawText(box, Qt::AlignRight | (every > 1 ? Qt::AlignTop : Qt::AlignVCenter),
               metrics.elidedText(grid_.rows[row], Qt::ElideLeft, f.left - kGap));
  }
  const int digits = digits_that_fit(metrics, f.width, f.height);
  for (std::size_t row = 0; row < grid_.modules.size(); ++row) {
    for (std::size_t column = 0; column < grid_.modules[row].size(); ++column) {
      const std::size_t module = grid_.modules[row][column];
      const QRect box = cell(row, column).adjusted(1, 1, 0, 0);
      if (module == HeatGrid::kNone) continue;
      const double share = most > 0 ? value_of(module) / most : 0;
      p.fillRect(box, shade(share));
      if (digits > 0) {
        const QString text = number_text(value_of(module), digits);
        p.setPen(ink_on(shade(share)));
        p.drawText(box, Qt::AlignCenter, text);
      }
      if (module != chosen_) continue;
      p.setPen(QPen(c.text, 2));
      p.setBrush(Qt::NoBrush);
      p.drawRect(box.adjusted(1, 1, -1, -1));
    }
  }
  const auto bottom =
      static_cast<int>(f.top + static_cast<double>(grid_.rows.size()) * f.height) + kGap;
  const QString end = number_text(most, 3);
  const int across = std::min(160, width() / 3);
  const QRect scale(f.left, bottom + 2, across, 8);
  QLinearGradient gradient(scale.topLeft(), scale.topRight());
  gradient.setColorAt(0, shade(0));
  gradient.setColorAt(1, shade(1));
  p.fillRect(scale, gradient);
  p.setPen(c.muted);
  const QRect words(scale.right() + kGap, bottom - 3, width() - scale.right() - kGap, 18);
  p.drawText(words, Qt::AlignLeft | Qt::AlignVCenter, QStringLiteral("0 – %1").arg(end));
  if (hasFocus()) {
    p.setPen(QPen(c.accent, 1));
    p.setBrush(Qt::NoBrush);
    p.drawRect(rect().adjusted(0, 0, -1, -1));
  }
}

void HeatMap::mouseMoveEvent(QMouseEvent* event) {
  const std::size_t module = module_at(event->pos());
  if (module == HeatGrid::kNone || !ranks_) {
    QToolTip::hideText();
    return;
  }
  const ModuleRanks& ranks = ranks_->modules[module];
  const QString figures = tr("norm %1 · effective rank %2 of %3")
                              .arg(number_text(ranks.norm), number_text(ranks.effective, 3))
                              .arg(ranks.rank);
  QToolTip::showText(event->globalPosition().toPoint(),
                     QString::fromStdString(ranks.name) + QLatin1Char('\n') + figures, this);
}

void HeatMap::mousePressEvent(QMouseEvent* event) {
  const std::size_t module = module_at(event->pos());
  if (module != HeatGrid::kNone) emit chosen(module);
}

void HeatMap::keyPressEvent(QKeyEvent* event) {
  const int down = event->key() == Qt::Key_Down ? 1 : event->key() == Qt::Key_Up ? -1 : 0;
  const int right = event->key() == Qt::Key_Right ? 1 : event->key() == Qt::Key_Left ? -1 : 0;
  if (down == 0 && right == 0) return QWidget::keyPressEvent(event);
  for (std::size_t row = 0; row < grid_.modules.size(); ++row) {
    for (std::size_t column = 0; column < grid_.modules[row].size(); ++column) {
      if (grid_.modules[row][column] != chosen_) continue;
      // On to the next cell that has a module.
      auto r = static_cast<std::ptrdiff_t>(row) + down;
      auto c = static_cast<std::ptrdiff_t>(column) + right;
      const auto rows = static_cast<std::ptrdiff_t>(grid_.modules.size());
      const auto columns = static_cast<std::ptrdiff_t>(grid_.modules[row].size());
      for (; r >= 0 && r < rows && c >= 0 && c < columns; r += down, c += right) {
        const std::size_t module =
            grid_.modules[static_cast<std::size_t>(r)][static_cast<std::size_t>(c)];
        if (module == HeatGrid::kNone) continue;
        emit chosen(module);
        return;
      }
      return;
    }
  }
}

}  // namespace luthier
