// SPDX-License-Identifier: GPL-3.0-or-later
// Parts of a whole as one bar, against what there is: beyond the mark the bar does not fit.
#pragma once

#include <QColor>
#include <QWidget>
#include <vector>

namespace luthier {

class StackedBar : public QWidget {
  Q_OBJECT

 public:
  struct Part {
    QColor colour;
    double value = 0;
    QString name;
  };

  explicit StackedBar(QWidget* parent = nullptr);
  /// `available` 0: unknown, the bar fills the width.
  void set_parts(std::vector<Part> parts, double available);
  QSize sizeHint() const override { return {200, 18}; }
  /// Outline and parts; `whole` is what the box's width stands for.
  static void draw(QPainter& painter, const QRectF& box, const std::vector<Part>& parts,
                   double whole);

 protected:
  void paintEvent(QPaintEvent* event) override;

 private:
  std::vector<Part> parts_;
  double available_ = 0;
};

}  // namespace luthier
