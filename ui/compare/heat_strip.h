// SPDX-License-Identifier: GPL-3.0-or-later
// An answer's tokens one after another, each on a ground as deep as its figure: what a column makes
// of them. The mouse and the arrow keys choose one.
#pragma once

#include <QString>
#include <QWidget>
#include <optional>
#include <vector>

namespace luthier {

class HeatStrip : public QWidget {
  Q_OBJECT

 public:
  struct Cell {
    QString text;
    double depth = 0;     ///< 0 … 1, of the ground
    bool marked = false;  ///< ringed: the first token that the column would have put otherwise
    QString tip;
  };

  explicit HeatStrip(QWidget* parent = nullptr);
  void set_cells(std::vector<Cell> cells);
  const std::vector<Cell>& cells() const { return cells_; }
  void set_chosen(std::optional<std::size_t> cell);
  std::optional<std::size_t> chosen() const { return chosen_; }
  /// Where a cell is drawn.
  QRect rect_of(std::size_t cell) const;

  bool hasHeightForWidth() const override { return true; }
  int heightForWidth(int width) const override;
  QSize sizeHint() const override;

 signals:
  void chose(std::size_t cell);

 protected:
  void paintEvent(QPaintEvent* event) override;
  void mousePressEvent(QMouseEvent* event) override;
  void keyPressEvent(QKeyEvent* event) override;
  bool event(QEvent* event) override;
  void resizeEvent(QResizeEvent* event) override;

 private:
  std::vector<QRect> laid_out(int width) const;
  std::optional<std::size_t> at(const QPoint& place) const;

  std::vector<Cell> cells_;
  std::vector<QRect> places_;
  std::optional<std::size_t> chosen_;
};

}  // namespace luthier
