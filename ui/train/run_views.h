// SPDX-License-Identifier: GPL-3.0-or-later
// A run's curves, and beside them what it has drawn, where it has drawn anything: one of the two
// fills the place. Used wherever a run is looked at.
#pragma once

#include <QWidget>
#include <filesystem>

#include "engine/config/recipe.h"

class QLabel;
class QStackedWidget;
class QTabBar;

namespace luthier {

class Filmstrip;
class RolloutFeed;
class RolloutPanel;
class RunCurves;

class RunViews : public QWidget {
  Q_OBJECT

 public:
  explicit RunViews(QWidget* parent = nullptr);
  RunCurves* curves() const { return curves_; }
  /// The answers to the run's samples, linked with the curves; who has a place for it puts it
  /// there.
  Filmstrip* strip() const { return strip_; }
  /// Below the curves, where the run has answered any.
  void put_strip_below();
  /// The run whose answers are shown; an empty folder: none.
  void set_run(const std::filesystem::path& folder, const Recipe& recipe);
  const std::filesystem::path& folder() const;
  /// Whether it goes on: what it draws is shown as it comes. What it has drawn so far is looked at.
  void follow(bool on);

 signals:
  /// What it has drawn cannot be read.
  void failed(const luthier::Error& error);

 private:
  void refresh();
  /// How far the answers to the probe fell since the start, where the run has one.
  void refresh_forgetting();

  bool draws_ = false;  ///< the run's objective does, or may
  QTabBar* tabs_;
  QStackedWidget* stack_;
  RunCurves* curves_;
  RolloutFeed* feed_;
  RolloutPanel* rollouts_;
  Filmstrip* strip_;
  QLabel* forgetting_;
};

}  // namespace luthier
