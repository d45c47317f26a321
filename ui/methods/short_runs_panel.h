// SPDX-License-Identifier: GPL-3.0-or-later
// The lower half of the Methods page: launching short runs of the ticked methods, what they came
// to, and their curves over one another.
#pragma once

#include <QTimer>

#include "ui/widgets/splitter.h"
#include "ui/workspace.h"

class QLabel;
class QPushButton;
class QSpinBox;
class QTableView;

namespace luthier {

class CurveGroup;
class CurvePlot;
class MethodModel;
class ShortRunModel;
class ShortRuns;

class ShortRunsPanel : public Splitter {
  Q_OBJECT

 public:
  ShortRunsPanel(Workspace& workspace, const MethodModel& methods, QWidget* parent);
  bool going() const;
  /// Whether the table is of the recipe's model, which is the one that runs train.
  void set_shown_model(bool of_recipe);

 signals:
  void started();
  void ended();
  /// Nothing was launched.
  void refused(const luthier::Error& error);

 protected:
  void resizeEvent(QResizeEvent* event) override;

 private:
  QWidget* make_results();
  QWidget* make_curves();
  void run_ticked();
  void show_runs();
  void fit_results();
  void draw_curves();
  void refresh();

  Workspace& workspace_;
  const MethodModel& methods_;
  ShortRuns* runs_;
  ShortRunModel* model_;
  QPushButton *run_, *stop_;
  QLabel* note_;
  QSpinBox* steps_;
  QTableView* results_;
  CurvePlot* loss_;
  CurveGroup* group_;
  QTimer draw_;
  bool of_recipe_ = true;
  bool moved_ = false;  ///< the border between table and curves, by hand
};

}  // namespace luthier
