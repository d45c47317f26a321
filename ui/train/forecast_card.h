// SPDX-License-Identifier: GPL-3.0-or-later
// What these settings will take, before launch: a stacked bar by part against what is free, what to
// change when it will not fit, a measured trial of one step, and the launch button. It stays beside
// the fields and follows them.
#pragma once

#include <QTimer>

#include "ui/widgets/card.h"
#include "ui/workspace.h"

class QLabel;
class QPushButton;

namespace luthier {

class Legend;
class StackedBar;

class ForecastCard : public Card {
  Q_OBJECT

 public:
  ForecastCard(Workspace& workspace, QWidget* parent = nullptr);

 private:
  void refresh();
  void refresh_buttons();
  /// Says of which values the forecast is, and fades it while it is not of those that are shown.
  void refresh_standing();
  void try_one_step();
  void show_measured(const OneStepTried& event);

  Workspace& workspace_;
  QLabel* total_;
  QLabel* device_;  ///< how the run would come to its device, where there is something to say
  QLabel* trainable_;
  QString trainable_text_;
  QTimer standing_timer_;
  StackedBar* bar_;
  Legend* legend_;
  QLabel* advice_;
  QLabel* measured_;
  QPushButton* try_;
  QPushButton* launch_;
  RequestId trial_ = 0;
  std::string trial_of_;  ///< the recipe that is tried, as YAML
  std::optional<OneStepTried> tried_;
};

}  // namespace luthier
