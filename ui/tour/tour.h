// SPDX-License-Identifier: GPL-3.0-or-later
// The guided tour: the teaching model learns a task in this window, by the same buttons that a
// person has, and each part is explained where it is, with the figures that it shows at that
// moment. It can be left at any step; the run goes on then.
#pragma once

#include <QObject>
#include <QPointer>
#include <QTimer>
#include <functional>
#include <vector>

#include "ui/tour/tour_bubble.h"
#include "ui/workspace.h"

namespace luthier {

class MainWindow;

class Tour : public QObject {
  Q_OBJECT

 public:
  explicit Tour(MainWindow& window);

  void start();
  void end();
  bool runs() const { return at_ >= 0; }
  /// "loss"; empty: it does not run.
  QString step() const;
  TourBubble* bubble() const { return bubble_; }

 private:
  struct Step {
    QString name, about;                   ///< about: the widget's name; empty: the whole window
    std::function<QString()> title, text;  ///< in the window's language, with figures
    std::function<QString()> next;         ///< the button's label; null: "Next"
    std::function<bool()> may_go_on;       ///< null: always
    std::function<void()> begin, leave;    ///< leave: on Next alone
  };

  void make_steps();
  void go(int to);
  void refresh();
  bool set_up();
  void show_small_plots(bool on);
  QString loss_words() const;
  QString rate_words() const;
  QString norm_words() const;
  QString speed_words() const;
  QString memory_words() const;
  QString end_words() const;
  const LiveRun* run() const;

  MainWindow& window_;
  QPointer<TourBubble> bubble_;  ///< goes with the pages, before this does
  std::vector<Step> steps_;
  int at_ = -1;
  const LiveRun* before_ = nullptr;  ///< the run that was there when the tour began
  QTimer follow_;
};

}  // namespace luthier
