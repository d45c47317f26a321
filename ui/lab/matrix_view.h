// SPDX-License-Identifier: GPL-3.0-or-later
// A matrix as coloured cells: one colour for what is below zero and another for what is above, as
// deep as it is large. Its name, shape and norm stand over it.
#pragma once

#include <QWidget>
#include <functional>
#include <utility>

#include "engine/session/session.h"

namespace luthier {

class MatrixView : public QWidget {
  Q_OBJECT

 public:
  explicit MatrixView(QWidget* parent = nullptr);
  /// `as_large_as`: the magnitude that has the deepest colour; 0: the matrix' own largest.
  void set_matrix(const QString& title, const ShownMatrix& matrix, double as_large_as = 0);
  /// What a cell is called, for the tip beside its value; by the matrix' own rows and columns.
  using Tips = std::function<QString(std::int64_t row, std::int64_t column)>;
  void set_tips(Tips tips) { tips_ = std::move(tips); }
  QSize sizeHint() const override { return {230, 190}; }
  QSize minimumSizeHint() const override { return {120, 110}; }

 protected:
  void paintEvent(QPaintEvent* event) override;
  void mouseMoveEvent(QMouseEvent* event) override;

 private:
  QRectF cells_box() const;

  QString title_;
  ShownMatrix matrix_;
  double scale_ = 0;
  Tips tips_;
};

}  // namespace luthier
