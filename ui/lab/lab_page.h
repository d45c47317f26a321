// SPDX-License-Identifier: GPL-3.0-or-later
// The Lab page: the paradigms of pretraining and of joining pictures and words as a map of cards.
// An open card shows what its batch looks like and trains for real in a minute or two; a second one
// stands beside it, on the same scenes and as many rows.
#pragma once

#include <array>

#include "ui/lab/lab_runs.h"
#include "ui/page.h"

class QAction;
class QComboBox;
class QLabel;
class QPushButton;
class QSpinBox;
class QToolButton;

namespace luthier {

class CardMap;
class CardPanel;

class LabPage : public Page {
  Q_OBJECT

 public:
  explicit LabPage(Workspace& workspace, QWidget* parent = nullptr);
  void entered() override;
  LabRuns& runs() { return *runs_; }

 private:
  QWidget* make_bar();
  void open_card(const QString& key);
  void open_beside(int index);
  /// Steps of what is open: of two cards the same.
  void suggest_steps();
  void train();
  void refresh();
  void retranslate();

  Banner* banner_;
  LabRuns* runs_;
  CardMap* map_;
  std::array<CardPanel*, LabRuns::kPlaces> panels_{};
  QLabel *beside_label_, *steps_label_, *seed_label_, *rows_;
  QComboBox* beside_;
  QSpinBox *steps_, *seed_;
  QPushButton *train_, *stop_;
  QToolButton* tools_;
  QAction *advice_, *compose_, *laws_, *likeness_;
  bool visited_ = false, steps_by_hand_ = false;
};

}  // namespace luthier
