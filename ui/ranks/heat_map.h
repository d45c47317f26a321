// SPDX-License-Identifier: GPL-3.0-or-later
// The change of each module as a coloured cell, layers down and kinds of modules across. A cell
// under the mouse says its figures; a click, or the arrow keys, choose the module.
#pragma once

#include <QWidget>
#include <memory>

#include "ui/ranks/heat_grid.h"

namespace luthier {

class HeatMap : public QWidget {
  Q_OBJECT

 public:
  enum class Shown { Norm, EffectiveRank };

  explicit HeatMap(QWidget* parent = nullptr);
  void set_ranks(std::shared_ptr<const AdapterRanks> ranks);
  void set_shown(Shown shown);
  void set_chosen(std::size_t module);
  /// Where a module's cell is; empty where it has none.
  QRect cell_of(std::size_t module) const;
  QSize minimumSizeHint() const override { return {160, 120}; }

 signals:
  void chosen(std::size_t module);

 protected:
  void paintEvent(QPaintEvent* event) override;
  void mouseMoveEvent(QMouseEvent* event) override;
  void mousePressEvent(QMouseEvent* event) override;
  void keyPressEvent(QKeyEvent* event) override;

 private:
  struct Frame {
    int left, top;         ///< of the first cell
    double width, height;  ///< of each
  };
  Frame frame() const;
  QRect cell(std::size_t row, std::size_t column) const;
  std::size_t module_at(const QPoint& at) const;
  double value_of(std::size_t module) const;
  double largest() const;
  int digits_that_fit(const QFontMetrics& metrics, double width, double height) const;

  std::shared_ptr<const AdapterRanks> ranks_;
  HeatGrid grid_;
  Shown shown_ = Shown::Norm;
  std::size_t chosen_ = HeatGrid::kNone;
};

}  // namespace luthier
