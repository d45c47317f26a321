// SPDX-License-Identifier: GPL-3.0-or-later
// The tree with its filter box and totals that move as boxes are ticked. A tick changes
// target_modules of the shared recipe; with a filter, a branch's tick counts for what the filter
// shows.
#pragma once

#include <QSortFilterProxyModel>
#include <set>

#include "ui/widgets/card.h"
#include "ui/workspace.h"

class QLabel;
class QLineEdit;
class QStackedWidget;
class QTreeView;

namespace luthier {

class EmptyState;
class ModuleTreeModel;

class ModuleTree : public Card {
  Q_OBJECT

 public:
  ModuleTree(Workspace& workspace, QWidget* parent = nullptr);

 protected:
  bool eventFilter(QObject* watched, QEvent* event) override;

 private:
  void show_model();
  void show_trained();
  void set_filter(const QString& text);
  /// Full names of the branches that are open, and opening just those again.
  std::set<QString> open_branches() const;
  void open_branches(const std::set<QString>& names);
  void say_nothing_found();
  void toggle(const QModelIndex& proxy_index);

  Workspace& workspace_;
  ModuleTreeModel* model_;
  QSortFilterProxyModel* proxy_;
  QLineEdit* filter_;
  QLabel* totals_;
  QLabel* note_;
  QTreeView* tree_;
  QStackedWidget* stack_;
  EmptyState* nothing_;            ///< in the tree's place when the filter finds no module
  std::set<QString> open_before_;  ///< what was open before the filter opened all that it shows
  bool filtered_ = false;
};

}  // namespace luthier
