// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/train/stages_strip.h"

#include <QHBoxLayout>
#include <QPushButton>

#include "ui/language.h"
#include "ui/theme.h"
#include "ui/workspace.h"

namespace luthier {

StagesStrip::StagesStrip(Workspace& workspace, QWidget* parent)
    : QWidget(parent), workspace_(workspace) {
  setObjectName(QStringLiteral("stagesStrip"));
  row_ = new QHBoxLayout(this);
  row_->setContentsMargins(0, 0, 0, 4);
  row_->setSpacing(4);
  row_->addStretch(1);
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
  setVisible(!stages.empty());
}

}  // namespace luthier
