// SPDX-License-Identifier: GPL-3.0-or-later
// What a budget of operations is best spent on, by each published law and by one of one's own.
#pragma once

#include <optional>

#include "engine/lab/laws.h"
#include "ui/widgets/card.h"

class QLineEdit;
class QTableWidget;

namespace luthier {

class BudgetCard : public Card {
  Q_OBJECT

 public:
  explicit BudgetCard(QWidget* parent = nullptr);
  /// A law that was fitted here; nullopt: there is none that a budget follows from.
  void set_law(std::optional<LossLaw> law);

 private:
  void ask();
  void retranslate();

  std::optional<LossLaw> law_;
  QLabel* label_;
  QLineEdit* budget_;
  QTableWidget* laws_;
};

}  // namespace luthier
