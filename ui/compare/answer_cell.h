// SPDX-License-Identifier: GPL-3.0-or-later
// One answer: its text with the words that differ from the reference marked, its probability,
// length and time; hovering a token shows its probability and the runners-up.
#pragma once

#include <QFrame>
#include <vector>

#include "engine/compare/answer_pieces.h"

class QLabel;
class QToolButton;

namespace luthier {

class AnswerCell : public QFrame {
  Q_OBJECT

 public:
  explicit AnswerCell(QWidget* parent = nullptr);
  /// `reference`: the text to differ from, nullptr in the reference column.
  /// `fading`: what stood here before, shown faintly until the new answer begins; null: nothing.
  void show_answer(const ComparisonAnswer& answer, const std::string* reference, bool waiting,
                   const ComparisonAnswer* fading = nullptr);
  /// Whose answer it is, for who cannot see where it stands.
  void set_name(const QString& name);

 signals:
  /// Every column should be asked about this answer; `token`: −1, or the one that was clicked.
  void score_asked(int token);

 protected:
  void paintEvent(QPaintEvent* event) override;

 private:
  QString answer_html() const;
  QString facts_text(const std::string* reference) const;
  void hover(const QString& link);
  void follow(const QString& link);

  QToolButton* score_;
  QString name_;
  QLabel* text_;
  QLabel* facts_;
  ComparisonAnswer answer_;
  std::vector<AnswerPiece> pieces_;
};

/// "0.97 red" and the runners-up below it, as the tooltip shows them.
QString token_tooltip(const AnswerToken& token);

}  // namespace luthier
