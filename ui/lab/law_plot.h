// SPDX-License-Identifier: GPL-3.0-or-later
// Losses over operations, both by their logarithms: a size's runs as dots with the fitted law
// through them, the loss of the best model of each budget in a band of how sure it is, the
// language's floor, and the next size's forecast beside what it came to.
#pragma once

#include <QWidget>
#include <vector>

#include "engine/lab/law_picture.h"

class QCustomPlot;

namespace luthier {

class Legend;

class LawPlot : public QWidget {
  Q_OBJECT

 public:
  explicit LawPlot(QWidget* parent = nullptr);
  void set_picture(LawPicture picture);
  /// The run nearest to a place of the plot, as it is read out; empty: none is near.
  QString reading_at(const QPoint& place) const;

 private:
  void draw();
  void fit_axes();
  void retranslate();

  QCustomPlot* plot_;
  Legend* legend_;
  LawPicture picture_;
};

}  // namespace luthier
