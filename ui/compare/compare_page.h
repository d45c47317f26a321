// SPDX-License-Identifier: GPL-3.0-or-later
// The Compare page: adapters side by side on one resident base, over the same samples.
#pragma once

#include "ui/page.h"

class QComboBox;
class QLabel;
class QLineEdit;
class QMenu;
class QPushButton;
class QSpinBox;
class QStackedWidget;
class QToolButton;

namespace luthier {

class Banner;
class CompareGrid;
class EmptyState;
class LiveComparison;
class Pager;

class ComparePage : public Page {
  Q_OBJECT

 public:
  explicit ComparePage(Workspace& workspace, QWidget* parent = nullptr);
  void entered() override;
  /// Samples from a file of rows, read in a worker thread; the first `count`.
  void load_samples(const QString& file, std::size_t count);

 private:
  QWidget* make_head();
  QWidget* make_foot();
  void fill_adapter_menu();
  void fill_reward_menu();
  void choose_samples();
  void follow_samples();
  void take_options();
  void run();
  void export_as(bool html);
  void refresh();
  QString why_not_run() const;

  LiveComparison* comparison_;
  Banner* banner_;
  QLabel* base_;
  QToolButton* add_;
  QMenu* add_menu_;
  QPushButton *samples_, *run_, *cancel_;
  QSpinBox *count_, *most_, *seed_;
  QComboBox* sampling_;
  QToolButton *export_, *reward_;
  QMenu* reward_menu_;
  QStackedWidget* stack_;
  EmptyState* empty_;
  CompareGrid* grid_;
  Pager* pager_;
};

}  // namespace luthier
