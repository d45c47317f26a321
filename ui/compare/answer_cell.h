// SPDX-License-Identifier: GPL-3.0-or-later
// One answer: its text with the words that differ from the reference marked, its probability, length and time; hovering a token
// shows its probability and the runners-up.
#pragma once

#include <QFrame>

#include "ui/compare/comparison.h"

class QLabel;

namespace luthier {

class AnswerCell : public QFrame {
  Q_OBJECT

 public:
  explicit AnswerCell(QWidget* parent = nullptr);
  /// `reference`: the text to differ from, nullptr in the reference column. `expected` may be empty.
  void show_answer(const Answer& answer, const QString* reference, const QString& expected, bool waiting);

 protected:
  void paintEvent(QPaintEvent* event) override;

 private:
  QString answer_html(const Answer& answer, const QString* reference) const;
  void hover(const QString& link);

  QLabel* text_;
  QLabel* facts_;
  std::vector<AnswerToken> tokens_;
};

/// "p 0.97" and the runners-up, as the tooltip shows them.
QString token_tooltip(const AnswerToken& token);

}  // namespace luthier
