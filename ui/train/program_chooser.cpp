// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/train/program_chooser.h"

#include <QFileDialog>
#include <QHBoxLayout>
#include <QLabel>
#include <QPushButton>
#include <QToolButton>
#include <QVBoxLayout>

#include "engine/config/rollouts.h"
#include "ui/language.h"
#include "ui/theme.h"
#include "ui/widgets/card.h"
#include "ui/widgets/wrapped_text.h"

namespace luthier {

ProgramChooser::ProgramChooser(Workspace& workspace, const QString& section, QWidget* parent)
    : QWidget(parent), workspace_(workspace) {
  const auto name = [&](const char* part) { return QLatin1String(part) + section; };
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(0, 2, 0, 4);
  column->setSpacing(4);
  auto* row = new QHBoxLayout;
  row->setSpacing(6);
  choose_ = new QPushButton(this);
  choose_->setObjectName(name("chooseProgram_"));
  drop_ = new QToolButton(this);
  drop_->setObjectName(name("dropProgram_"));
  drop_->setAutoRaise(true);
  set_themed_icon(drop_, QStringLiteral("close"));
  row->addWidget(choose_);
  row->addStretch(1);
  row->addWidget(drop_);
  column->addLayout(row);
  path_ = new WrappedText(this);
  path_->setObjectName(name("programPath_"));
  column->addWidget(path_);
  about_ = muted_label(this, 0.85);
  about_->setObjectName(name("programAbout_"));
  column->addWidget(about_);
  connect(choose_, &QPushButton::clicked, this, &ProgramChooser::choose);
  connect(drop_, &QToolButton::clicked, this, [this] { workspace_.set_reward_program({}); });
  connect(&workspace_, &Workspace::recipe_changed, this, &ProgramChooser::refresh);
  on_language(this, [this] {
    choose_->setText(tr("A program of your own…"));
    drop_->setToolTip(tr("No program"));
    drop_->setAccessibleName(tr("No program"));
    refresh();
  });
}

void ProgramChooser::set_locked(bool locked) {
  locked_ = locked;
  refresh();
}

void ProgramChooser::choose() {
  const QString file = QFileDialog::getOpenFileName(
      this, tr("Choose a program that judges answers"), workspace_.reward_program());
  if (!file.isEmpty()) workspace_.set_reward_program(file);
}

void ProgramChooser::refresh() {
  const QString& program = workspace_.reward_program();
  const bool any = !program.isEmpty();
  choose_->setEnabled(!locked_);
  drop_->setEnabled(!locked_);
  drop_->setVisible(any);
  path_->set_text(program);
  path_->setVisible(any);
  const bool asked = asks_for_program(workspace_.recipe());
  about_->setVisible(any || asked);
  about_->setText(
      any && asked
          ? tr("It is run as you, with all that you may do, from this run's start to its end. No "
               "recipe keeps it.")
      : any
          ? tr("It is not run: the rewards do not name \"%1\".").arg(QLatin1String(kProgramReward))
          : tr("The rewards name \"%1\", and none is chosen.").arg(QLatin1String(kProgramReward)));
}

}  // namespace luthier
