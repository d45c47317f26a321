// SPDX-License-Identifier: GPL-3.0-or-later
// What may be changed while a run goes on: learning rate, clipping and logging, each with what is
// in force now. What is typed counts once it is applied; what a person is typing is never written
// over.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "ui/widgets/card.h"
#include "ui/workspace.h"

class QLabel;
class QLineEdit;
class QPushButton;

namespace luthier {

class LiveSettings : public Card {
  Q_OBJECT

 public:
  explicit LiveSettings(Workspace& workspace, QWidget* parent = nullptr);

  /// Another run has begun: nothing is typed or asked for any more.
  void restart();
  /// What is in force is looked up anew.
  void show_values();
  /// The session refused a change of this setting ("learning_rate").
  void take_back(const std::string& setting);

 signals:
  /// What is typed cannot be applied; fine: it could be, or is gone.
  void refused(const luthier::Error& error);
  void fine();

 private:
  struct Field {
    std::string setting;
    QLabel* label = nullptr;
    QLineEdit* line = nullptr;
    std::optional<double> asked = {};  ///< applied, but not in force yet
  };

  QLineEdit* make_line(const char* name);
  double in_force(const Field& field) const;
  /// What the field shows counts as: what was asked for, else what is in force.
  double stands(const Field& field) const;
  /// The typed value by the rules of the recipe's field; an Error says what is wrong with it.
  Result<double> typed(const Field& field) const;
  void apply();
  void refresh();

  Workspace& workspace_;
  std::array<Field, 3> fields_;  ///< in live_settings()' order
  QPushButton* apply_ = nullptr;
  QLabel* now_ = nullptr;
};

}  // namespace luthier
