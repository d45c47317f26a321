// SPDX-License-Identifier: GPL-3.0-or-later
// What to try for a task: prompt, retrieve, or train and how, with the reasons for and against as
// they are said; what was not said and would count; and the comparisons that are cheap, with the
// pages that make them.
#pragma once

#include <QDialog>

#include "engine/lab/advisor.h"
#include "ui/page.h"

class QCheckBox;
class QComboBox;
class QFormLayout;
class QLabel;
class QLineEdit;
class QPushButton;
class QSpinBox;
class QTreeWidget;

namespace luthier {

class Card;

class AdviceWindow : public QDialog {
  Q_OBJECT

 public:
  /// The one of this window.
  static AdviceWindow* of(Workspace& workspace, QWidget* owner);
  /// With what the loaded model and the forecast answer by themselves, where nothing was typed.
  void open_here();

 signals:
  void go_to(luthier::PageId page);

 private:
  AdviceWindow(Workspace& workspace, QWidget* owner);
  QWidget* make_question();
  QWidget* make_advice();
  /// An Input error where a field holds no number; its label says so.
  Result<AdviceQuestion> question();
  void ask();
  void show_advice(const Advice& advice);
  void retranslate();

  Workspace& workspace_;
  QFormLayout* form_;
  QComboBox *task_, *drift_;
  QLineEdit *rows_, *weights_, *memory_, *latency_, *answer_latency_;
  QSpinBox* tasks_;
  QCheckBox* sources_;
  QLabel *task_label_, *rows_label_, *weights_label_, *memory_label_, *latency_label_,
      *answer_label_, *drift_label_, *tasks_label_, *note_, *open_;
  Card* found_;
  QTreeWidget *ranked_, *comparisons_;
  QPushButton *ask_base_, *short_runs_;
};

}  // namespace luthier
