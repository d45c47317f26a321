// SPDX-License-Identifier: GPL-3.0-or-later
// Answers judged without knowing whose they are: a sample at a time, its answers in an order of its
// own, one vote by key or click. Names come with the win rates, when the person asks for them.
#pragma once

#include <QWidget>
#include <vector>

#include "ui/compare/live_comparison.h"

class QHBoxLayout;
class QLabel;
class QPushButton;
class QScrollArea;
class QTableWidget;

namespace luthier {

class BlindView : public QWidget {
  Q_OBJECT

 public:
  explicit BlindView(LiveComparison& comparison, QWidget* parent = nullptr);
  /// The first sample without a vote, names hidden again.
  void begin();
  bool revealed() const { return revealed_; }
  /// The sample in hand, and the column behind each letter; empty: there is none to judge.
  std::optional<std::size_t> row() const { return row_; }
  const std::vector<std::size_t>& order() const { return order_; }

 signals:
  void left();

 protected:
  void keyPressEvent(QKeyEvent* event) override;

 private:
  std::vector<std::size_t> rows() const;  ///< whose answers are all there
  bool voted(std::size_t row) const;
  void step(int by);
  void vote(std::optional<std::size_t> letter);
  void reveal();
  void show_row();
  void show_rates();
  void show_foot();
  void retranslate();

  LiveComparison& comparison_;
  std::optional<std::size_t> row_;
  std::vector<std::size_t> order_;
  bool revealed_ = false;
  QLabel *about_, *keys_;
  QScrollArea* scroll_;
  QTableWidget* rates_;
  QPushButton *tie_, *previous_, *next_, *reveal_, *again_, *leave_;
};

}  // namespace luthier
