// SPDX-License-Identifier: GPL-3.0-or-later
// What a run draws, as it comes: the newest step's prompts with their answers and rewards, and how
// the rewards are spread. Who steps back stays there until they go to the newest again.
#pragma once

#include <QWidget>
#include <vector>

#include "engine/data/rollout_log.h"
#include "ui/train/reward_spread.h"

class QComboBox;
class QLabel;
class QScrollArea;
class QToolButton;
class QVBoxLayout;

namespace luthier {

class Pager;
class RewardPlot;
class RolloutFeed;

class RolloutPanel : public QWidget {
  Q_OBJECT

 public:
  static constexpr std::size_t kPerPage = 6;

  explicit RolloutPanel(RolloutFeed& feed, QWidget* parent = nullptr);

 protected:
  void showEvent(QShowEvent* event) override;

 private:
  QWidget* make_head();
  void restart();
  void take_news();
  void spread();
  void fill_judges();
  std::string judge() const;
  /// Goes to a step and stays there; of the newest one on, follows what comes.
  void go_to(std::size_t place);
  void show_place(std::size_t place, std::size_t page);
  void show_rows(std::size_t place, const std::vector<DrawnRow>& rows);
  void add_next_row();
  void refresh();

  RolloutFeed& feed_;
  QComboBox* judge_;
  QToolButton *before_, *behind_, *newest_;
  QLabel* place_text_;
  RewardPlot* plot_;
  QScrollArea* scroll_;
  Pager* pager_;
  RewardScale scale_;
  std::vector<RewardSpread> spreads_;
  double low_ = 0, high_ = 0;  ///< of all rewards by the judge
  bool any_ = false;           ///< there is one
  std::size_t place_ = 0, page_ = 0;
  bool follows_ = true, stale_ = false;
  std::vector<DrawnRow> waiting_;  ///< rows that are to be shown, one a turn of the event loop
  QWidget* filling_ = nullptr;     ///< where they go
  std::size_t filled_ = 0;
};

}  // namespace luthier
