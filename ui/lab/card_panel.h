// SPDX-License-Identifier: GPL-3.0-or-later
// One open card: what it learns by and what its figure stands at, and three looks at it: the batch
// (who sees whom, what is noised and learned), what the trained model makes of the same rows, and
// the figure's curve.
#pragma once

#include <QTimer>

#include "ui/lab/lab_runs.h"
#include "ui/widgets/card.h"

class QLabel;
class QScrollArea;
class QTabWidget;

namespace luthier {

class CurvePlot;
class MaskView;
class MatrixView;
class Pager;
class TokenStrip;

class CardPanel : public Card {
  Q_OBJECT

 public:
  CardPanel(LabRuns& runs, std::size_t place, QWidget* parent);
  /// 0: the batch, 1: what it makes of it, 2: the curve.
  void show_look(int look);
  int look() const;

 signals:
  void look_changed(int look);

 private:
  QWidget* make_batch();
  QWidget* make_result();
  QWidget* make_curve();
  QScrollArea* scrolled(QWidget* content);
  void render();
  void render_head(const OpenCard& card);
  void render_batch(const OpenCard& card);
  void render_result(const OpenCard& card);
  void draw_curve();
  QString state_words(const OpenCard& card) const;
  void retranslate();
  const LookRow* row_of(const std::shared_ptr<const BatchLook>& look) const;

  LabRuns& runs_;
  std::size_t place_;
  std::size_t row_ = 0;
  QLabel *learns_, *facts_, *figure_, *state_, *look_at_, *text_, *said_, *picture_,
      *picture_after_, *rows_;
  QTabWidget* looks_;
  MaskView* mask_;
  TokenStrip *batch_, *told_;
  MatrixView* matrix_;
  Pager *pager_, *pager_after_;
  CurvePlot* curve_;
  QTimer draw_;
  std::shared_ptr<const BatchLook> shown_before_, shown_after_;  ///< that the widgets hold
  std::size_t shown_row_ = 0;
};

}  // namespace luthier
