// SPDX-License-Identifier: GPL-3.0-or-later
// One answer under every column: probabilities or divergences token by token, where each column
// would have gone on otherwise, and, for a chosen token, where it looked on the picture.
#pragma once

#include <QTimer>
#include <vector>

#include "ui/compare/live_comparison.h"
#include "ui/widgets/card.h"

class QComboBox;
class QLabel;
class QScrollArea;
class QToolButton;

namespace luthier {

class AttentionView;
class HeatStrip;

class AnswerInspector : public Card {
  Q_OBJECT

 public:
  AnswerInspector(Workspace& workspace, LiveComparison& comparison, QWidget* parent = nullptr);

  /// Asks every column about this answer: a column's to the row, or the row's expected one.
  /// `token`: chosen once it is there.
  void look_at(std::size_t row, const std::string& of, std::optional<std::size_t> token = {});
  const std::optional<ScoredAnswer>& shown() const { return scored_; }
  bool waits() const { return asked_ != 0; }

 signals:
  void closed();

 private:
  void take(const AnswerForced& event);
  void take_attention(const AttentionFound& event);
  void end(const RequestDone& event);
  void choose(std::size_t token);
  void ask_attention();
  void show_scores();
  void show_head();
  void put_away();
  std::optional<AnswerQuestion> question() const;
  QString column_label(const std::string& name) const;
  QStringList column_labels() const;

  struct Line {
    QLabel* about;
    HeatStrip* strip;
  };

  Workspace& workspace_;
  LiveComparison& comparison_;
  std::size_t row_ = 0;
  std::string of_;
  std::optional<ScoredAnswer> scored_;
  std::optional<std::size_t> token_;
  RequestId asked_ = 0, attention_asked_ = 0;
  QString failure_;
  QTimer settle_;  ///< keys held down ask once
  QComboBox* figure_;
  QToolButton* close_;
  QLabel* note_;
  QScrollArea* scroll_;
  AttentionView* attention_;
  std::vector<Line> lines_;
};

}  // namespace luthier
