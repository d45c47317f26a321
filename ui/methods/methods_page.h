// SPDX-License-Identifier: GPL-3.0-or-later
// The Methods page: every method's cost for a model in a table, and below it short runs of those
// that are ticked, on the recipe's rows, with their curves over one another.
#pragma once

#include <QTimer>

#include "ui/page.h"

class QCheckBox;
class QLabel;
class QLineEdit;
class QPushButton;
class QStackedWidget;
class QTableView;

namespace luthier {

class EmptyState;
class Legend;
class MethodModel;
class MethodOrder;
class ShortRunsPanel;

class MethodsPage : public Page {
  Q_OBJECT

 public:
  explicit MethodsPage(Workspace& workspace, QWidget* parent = nullptr);
  void entered() override;

 private:
  QWidget* make_head();
  QWidget* make_table();
  /// Soon, and once for several changes; where the page is not seen, when it is entered.
  void ask_soon();
  void ask();
  void show_table(const MethodsTabled& event);
  void span_refused();
  void use_selected();
  void refresh();
  /// The folder that the table is of: the recipe's model, or what is typed in its place.
  QString folder() const;
  bool of_recipe() const;
  /// −1: none.
  int selected() const;

  Banner* banner_;
  QStackedWidget* stack_;
  EmptyState* empty_;
  QLineEdit* model_folder_;
  QCheckBox* four_bits_;
  QPushButton* use_;
  QLabel* summary_;
  Legend* legend_;
  QTableView* table_;
  MethodModel* model_;
  MethodOrder* order_;
  ShortRunsPanel* short_runs_;
  QTimer timer_;
  RequestId request_ = 0;
  bool stale_ = true, first_ = true;
};

}  // namespace luthier
