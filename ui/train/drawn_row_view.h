// SPDX-License-Identifier: GPL-3.0-or-later
// A prompt with the answers that were drawn to it, the best first: its picture, its question, and
// of each answer what it is worth, by whom, and its text. The best and the worst are marked.
#pragma once

#include <QFrame>
#include <set>

#include "ui/train/drawn_answers.h"

class QLabel;
class QVBoxLayout;

namespace luthier {

class DrawnRowView : public QFrame {
  Q_OBJECT

 public:
  /// `judge`: whose rewards order them; empty: what they are worth in all, by these weights.
  DrawnRowView(const DrawnRow& row, const std::string& judge, const std::vector<double>& weights,
               QWidget* parent = nullptr);

 protected:
  void paintEvent(QPaintEvent* event) override;

 private:
  QWidget* make_picture();
  void render();

  const DrawnRow row_;
  const RankedAnswers ranked_;
  std::set<std::size_t> whole_;  ///< long answers that are shown to their end
  QLabel* answers_;
};

}  // namespace luthier
