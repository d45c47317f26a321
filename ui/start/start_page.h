// SPDX-License-Identifier: GPL-3.0-or-later
// Where a person begins: the guided tour, a teaching task at one click, a model of one's own, and
// what was in hand before. It says what this machine trains on, and what that means where it has no
// GPU.
#pragma once

#include <vector>

#include "engine/runs/run_folder.h"
#include "engine/session/machine_words.h"
#include "engine/teaching/teaching.h"
#include "ui/page.h"

class QLabel;
class QPushButton;

namespace luthier {

class Card;

class StartPage : public Page {
  Q_OBJECT

 public:
  explicit StartPage(Workspace& workspace, QWidget* parent = nullptr);
  void entered() override;

 signals:
  void tour_asked();
  void open_model_asked();
  void resume_asked(const QString& folder);
  /// To be looked at.
  void run_asked(const QString& folder);

 private:
  struct TaskCard {
    TeachingTask task;
    Card* card;
    QLabel* about;
    QPushButton *train, *set_up;
  };

  QWidget* make_tour(QWidget* parent);
  QLayout* make_tasks(QWidget* parent);
  QLayout* make_recent(QWidget* parent);
  Card* make_list(const QString& name, QWidget* parent);
  void begin(const TeachingTask& task, bool launch);
  void open_recipe(const QString& file);
  void choose_recipe();
  void fill();
  void fill_models();
  void fill_recipes();
  void fill_runs();
  void fill_elsewhere();
  void look_for_runs();
  void clear_list(Card* card);
  void add_row(Card* card, const QString& name, const QString& detail, const QString& tip,
               std::function<void()> run, QPushButton* beside = nullptr);
  void add_nothing(Card* card, const QString& text);
  void refresh();
  void retranslate();

  Banner* banner_;
  QLabel *title_, *machine_;
  Card *tour_, *models_, *recipes_, *runs_;
  QLabel* tour_about_;
  QPushButton *start_tour_, *open_model_, *open_recipe_;
  std::vector<TaskCard> tasks_;
  std::vector<RunSummary> found_runs_;
  std::vector<FoundElsewhere> found_elsewhere_;  ///< that go on without a window
  std::optional<MachineWords> words_;
  std::vector<QWidget*> rows_;  ///< of the three lists
  int ticket_ = 0;
};

}  // namespace luthier
