// SPDX-License-Identifier: GPL-3.0-or-later
// Who sees whom in a row of a batch: a square with a line for each token that looks and a column
// for each that is looked at. One token is chosen by mouse or arrow keys, and its line stands out.
#pragma once

#include <QWidget>
#include <optional>

#include "engine/lab/batch_look.h"

namespace luthier {

class MaskView : public QWidget {
  Q_OBJECT

 public:
  explicit MaskView(QWidget* parent = nullptr);
  void set_row(const LookRow& row);
  std::optional<std::size_t> chosen() const { return chosen_; }
  void choose(std::optional<std::size_t> token);
  QSize sizeHint() const override { return {240, 240}; }
  QSize minimumSizeHint() const override { return {130, 130}; }

 signals:
  /// Of the row's tokens, those that are read first; −1: none.
  void chose(int token);

 protected:
  void paintEvent(QPaintEvent* event) override;
  void mouseMoveEvent(QMouseEvent* event) override;
  void mousePressEvent(QMouseEvent* event) override;
  void keyPressEvent(QKeyEvent* event) override;

 private:
  double cell() const;
  QRectF cells_box() const;
  const LookToken& token(std::size_t i) const;
  std::optional<std::pair<std::size_t, std::size_t>> cell_at(const QPointF& point) const;

  LookRow row_;
  std::optional<std::size_t> chosen_;
};

}  // namespace luthier
