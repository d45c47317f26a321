// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/train/stages_strip.h"

#include <QDialog>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QPushButton>
#include <QTableWidget>
#include <QVBoxLayout>

#include "engine/runs/task_table.h"
#include "ui/language.h"
#include "ui/theme.h"
#include "ui/widgets/card.h"
#include "ui/widgets/copied_table.h"
#include "ui/workspace.h"

namespace luthier {

namespace {

/// Shares as people read them, a loss as it is; with a sign where it is a change.
QString task_figure(const std::string& figure, double value, bool with_sign) {
  const bool loss = figure == kTaskLoss;
  const QString text =
      loss ? QString::number(value, 'f', 4) : QStringLiteral("%1 %").arg(value * 100, 0, 'f', 1);
  return with_sign && value >= 0 ? QLatin1Char('+') + text : text;
}

/// A row before any stage and after each, a column a task.
QTableWidget* task_table_of(const TaskTable& table, const std::string& figure,
                            const QStringList& rows, QWidget* parent) {
  auto* shown = new QTableWidget(static_cast<int>(table.rows.size()),
                                 static_cast<int>(table.tasks.size()), parent);
  shown->setObjectName(QStringLiteral("taskTable_") + QString::fromStdString(figure));
  shown->setEditTriggers(QAbstractItemView::NoEditTriggers);
  shown->setSelectionMode(QAbstractItemView::NoSelection);
  shown->setVerticalHeaderLabels(rows);
  for (int column = 0; column < shown->columnCount(); ++column) {
    const auto task = static_cast<std::size_t>(column);
    shown->setHorizontalHeaderItem(column,
                                   new QTableWidgetItem(QString::fromStdString(table.tasks[task])));
    for (int row = 0; row < shown->rowCount(); ++row) {
      const double value = table.at(static_cast<std::size_t>(row), task, figure);
      auto* item = new QTableWidgetItem(task_figure(figure, value, false));
      item->setTextAlignment(Qt::AlignRight | Qt::AlignVCenter);
      shown->setItem(row, column, item);
    }
  }
  shown->resizeColumnsToContents();
  shown->setAccessibleName(recipe_text(figure));
  make_copied(shown);
  return shown;
}

}  // namespace

StagesStrip::StagesStrip(Workspace& workspace, QWidget* parent)
    : QWidget(parent), workspace_(workspace) {
  setObjectName(QStringLiteral("stagesStrip"));
  row_ = new QHBoxLayout(this);
  row_->setContentsMargins(0, 0, 0, 4);
  row_->setSpacing(4);
  row_->addStretch(1);
  tasks_ = new QPushButton(this);
  tasks_->setObjectName(QStringLiteral("taskTable"));
  tasks_->setFont(scaled_font(0.88));
  connect(tasks_, &QPushButton::clicked, this, &StagesStrip::show_tasks);
  row_->addWidget(tasks_);
  connect(&workspace_, &Workspace::stages_changed, this, &StagesStrip::refresh);
  on_language(this, [this] { refresh(); });
}

void StagesStrip::refresh() {
  const std::vector<StageShown> stages = workspace_.stages();
  while (stages_.size() > stages.size()) {
    delete stages_.back();
    stages_.pop_back();
  }
  while (stages_.size() < stages.size()) {
    const std::size_t index = stages_.size();
    auto* button = new QPushButton(this);
    button->setObjectName(QStringLiteral("stage_%1").arg(index + 1));
    button->setCheckable(true);
    button->setFont(scaled_font(0.88));
    connect(button, &QPushButton::clicked, this, [this, index] {
      workspace_.show_stage(index);
      refresh();
    });
    row_->insertWidget(static_cast<int>(index), button);
    stages_.push_back(button);
  }
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const StageShown& stage = stages[i];
    const QString name = QStringLiteral("%1. %2").arg(i + 1).arg(stage.name);
    const QString said = stage.state == StageShown::State::Running ? tr("%1, running").arg(name)
                         : stage.state == StageShown::State::Done  ? tr("%1, done").arg(name)
                                                                   : name;
    stages_[i]->setText(said);
    stages_[i]->setAccessibleName(said);
    stages_[i]->setToolTip(stage.in_form ? tr("The form shows the settings of this stage")
                                         : tr("Show the settings of this stage in the form"));
    stages_[i]->setEnabled(stage.can_show);
    stages_[i]->setChecked(stage.in_form);
  }
  tasks_->setText(tr("All tasks"));
  tasks_->setToolTip(tr("What the model knows of every task before the first and after each"));
  const auto table = read_task_table(workspace_.stages_folder());
  tasks_->setVisible(table && *table && !(*table)->rows.empty());
  setVisible(!stages.empty());
}

void StagesStrip::show_tasks() {
  const auto read = read_task_table(workspace_.stages_folder());
  if (!read || !*read) return;
  const TaskTable& table = **read;
  auto* dialog = new QDialog(window());
  dialog->setObjectName(QStringLiteral("taskTableDialog"));
  dialog->setAttribute(Qt::WA_DeleteOnClose);
  dialog->setWindowTitle(tr("All tasks"));
  dialog->resize(560, 480);
  auto* layout = new QVBoxLayout(dialog);
  QStringList rows{tr("Base")};
  for (const std::string& task : table.tasks)
    rows << tr("After %1").arg(QString::fromStdString(task));
  for (const std::string& figure : table.figures()) {
    auto* title = text_label(dialog);
    title->setText(figure == "exact_match"  ? tr("Exact match")
                   : figure == "token_f1"   ? tr("Token F1")
                   : figure == "chrf"       ? QStringLiteral("chrF")
                   : figure == "json_valid" ? tr("Valid JSON")
                                            : tr("Loss"));
    layout->addWidget(title);
    layout->addWidget(task_table_of(table, figure, rows, dialog));
    const ContinualMeasures measures = continual_measures(table, figure);
    if (!measures.average || !measures.forgetting) continue;
    auto* said = text_label(dialog, true);
    said->setText(tr("Average %1, backward transfer %2, forward transfer %3, forgetting %4")
                      .arg(task_figure(figure, *measures.average, false),
                           task_figure(figure, *measures.backward_transfer, true),
                           task_figure(figure, *measures.forward_transfer, true),
                           task_figure(figure, *measures.forgetting, true)));
    layout->addWidget(said);
  }
  dialog->show();
}

}  // namespace luthier
