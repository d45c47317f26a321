// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/lab/matrix_view.h"

#include <QMouseEvent>
#include <QPainter>
#include <QToolTip>
#include <algorithm>
#include <cmath>

#include "ui/format.h"
#include "ui/theme.h"

namespace luthier {

namespace {
constexpr int kTitleHeight = 20, kFactsHeight = 18;
}

MatrixView::MatrixView(QWidget* parent) : QWidget(parent) {
  setMouseTracking(true);
  connect(&Theme::instance(), &Theme::changed, this, [this] { update(); });
}

void MatrixView::set_matrix(const QString& title, const ShownMatrix& matrix, double as_large_as) {
  title_ = title;
  matrix_ = matrix;
  scale_ = as_large_as > 0 ? as_large_as : matrix.largest;
  setAccessibleName(tr("%1: %2 by %3, norm %4")
                        .arg(title)
                        .arg(matrix.rows)
                        .arg(matrix.columns)
                        .arg(number_text(matrix.norm)));
  update();
}

QRectF MatrixView::cells_box() const {
  return QRectF(rect()).adjusted(1, kTitleHeight + 2, -1, -kFactsHeight - 2);
}

void MatrixView::paintEvent(QPaintEvent*) {
  const Colours& c = colours();
  QPainter p(this);
  p.setPen(c.text);
  p.setFont(scaled_font(0.95, true));
  p.drawText(QRect(0, 0, width(), kTitleHeight), Qt::AlignLeft | Qt::AlignVCenter, title_);
  const QRectF box = cells_box();
  p.fillRect(box, c.field);
  const double wide =
      box.width() / static_cast<double>(std::max<std::int64_t>(1, matrix_.cell_columns));
  const double high =
      box.height() / static_cast<double>(std::max<std::int64_t>(1, matrix_.cell_rows));
  for (std::int64_t row = 0; row < matrix_.cell_rows; ++row) {
    for (std::int64_t column = 0; column < matrix_.cell_columns; ++column) {
      const float value =
          matrix_.cells[static_cast<std::size_t>(row * matrix_.cell_columns + column)];
      if (value == 0 || !(scale_ > 0)) continue;
      QColor colour = value < 0 ? c.series[0] : c.series[1];
      // The root lets small values be seen beside large ones.
      colour.setAlphaF(static_cast<float>(std::sqrt(std::min(1.0, std::fabs(value) / scale_))));
      p.fillRect(
          QRectF(box.left() + static_cast<double>(column) * wide,
                 box.top() + static_cast<double>(row) * high, std::ceil(wide), std::ceil(high)),
          colour);
    }
  }
  p.setPen(c.line);
  p.drawRect(box);
  p.setPen(c.muted);
  p.setFont(scaled_font(0.85));
  const QString facts = tr("%1 × %2 · norm %3")
                            .arg(matrix_.rows)
                            .arg(matrix_.columns)
                            .arg(number_text(matrix_.norm, 3));
  p.drawText(QRect(0, height() - kFactsHeight, width(), kFactsHeight),
             Qt::AlignLeft | Qt::AlignVCenter, facts);
}

void MatrixView::mouseMoveEvent(QMouseEvent* event) {
  const QRectF box = cells_box();
  if (!box.contains(event->position()) || matrix_.cells.empty()) return QToolTip::hideText();
  const auto part = [](double at, double size, std::int64_t count) {
    return std::clamp<std::int64_t>(
        static_cast<std::int64_t>(at / size * static_cast<double>(count)), 0, count - 1);
  };
  const std::int64_t row = part(event->position().y() - box.top(), box.height(), matrix_.cell_rows);
  const std::int64_t column =
      part(event->position().x() - box.left(), box.width(), matrix_.cell_columns);
  const float value = matrix_.cells[static_cast<std::size_t>(row * matrix_.cell_columns + column)];
  const std::int64_t own_row = row * matrix_.rows / matrix_.cell_rows,
                     own_column = column * matrix_.columns / matrix_.cell_columns;
  const QString number = number_text(static_cast<double>(value), 4);
  const QString tip =
      tips_ ? tips_(own_row, own_column) + QStringLiteral(": ") + number
            : tr("row %1, column %2: %3").arg(own_row + 1).arg(own_column + 1).arg(number);
  QToolTip::showText(event->globalPosition().toPoint(), tip, this);
}

}  // namespace luthier
