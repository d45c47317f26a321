// SPDX-License-Identifier: GPL-3.0-or-later
// The queue: what runs, what waits and what came of it, in order. What waits can be moved, called
// otherwise and taken out; the recipe of the Train page and sweeps are added here.
#pragma once

#include <QWidget>
#include <cstdint>

#include "ui/run_queue.h"
#include "ui/workspace.h"

class QLabel;
class QPushButton;
class QTableWidget;
class QToolButton;

namespace luthier {

class Banner;

class QueuePanel : public QWidget {
  Q_OBJECT

 public:
  /// The group of what a person adds one by one.
  static const QString kGroup;

  QueuePanel(Workspace& workspace, Banner& banner, QWidget* parent = nullptr);

 signals:
  /// A sweep was queued: its runs are tagged so.
  void swept(const QString& tag);

 private:
  QWidget* make_buttons();
  void refresh();
  void refresh_buttons();
  void add_recipe();
  void sweep();
  void tag_run(std::uint64_t id);
  std::uint64_t current() const;

  Workspace& workspace_;
  Banner& banner_;
  QTableWidget* table_;
  QLabel* note_;
  QPushButton *add_, *sweep_, *hold_, *clear_;
  QToolButton *up_, *down_, *remove_;
  bool filling_ = false;
};

}  // namespace luthier
