// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/train/run_views.h"

#include <QStackedWidget>
#include <QTabBar>
#include <QVBoxLayout>

#include "engine/config/rollouts.h"
#include "ui/language.h"
#include "ui/train/rollout_feed.h"
#include "ui/train/rollout_panel.h"
#include "ui/train/run_curves.h"

namespace luthier {

RunViews::RunViews(QWidget* parent) : QWidget(parent) {
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(0, 0, 0, 0);
  layout->setSpacing(4);
  tabs_ = new QTabBar(this);
  tabs_->setObjectName(QStringLiteral("runViews"));
  tabs_->setDocumentMode(true);
  tabs_->setDrawBase(false);
  tabs_->setExpanding(false);
  tabs_->addTab(QString());
  tabs_->addTab(QString());
  tabs_->hide();
  layout->addWidget(tabs_);
  stack_ = new QStackedWidget(this);
  curves_ = new RunCurves(stack_);
  stack_->addWidget(curves_);
  feed_ = new RolloutFeed(this);
  rollouts_ = new RolloutPanel(*feed_, stack_);
  stack_->addWidget(rollouts_);
  layout->addWidget(stack_, 1);
  connect(tabs_, &QTabBar::currentChanged, stack_, &QStackedWidget::setCurrentIndex);
  connect(feed_, &RolloutFeed::grew, this, &RunViews::refresh);
  connect(feed_, &RolloutFeed::failed, this, &RunViews::failed);
  on_language(this, [this] {
    tabs_->setAccessibleName(tr("What is shown of the run"));
    tabs_->setTabText(0, tr("Curves"));
    tabs_->setTabText(1, tr("Roll-outs"));
    tabs_->setTabToolTip(1, tr("The answers that the run draws, with their rewards"));
  });
}

const std::filesystem::path& RunViews::folder() const { return feed_->folder(); }

void RunViews::set_run(const std::filesystem::path& folder, const Recipe& recipe) {
  draws_ = !rollouts_key(recipe).empty() && rollouts_of(recipe).empty();
  feed_->set_run(folder, reward_weights_of(recipe));
  refresh();
}

void RunViews::follow(bool on) { feed_->follow(on); }

void RunViews::refresh() {
  const bool any = draws_ || !feed_->steps().empty();
  // What is not read yet may have some: nothing comes and goes for a moment.
  if (!any && !feed_->whole()) return;
  tabs_->setVisible(any);
  if (!any) tabs_->setCurrentIndex(0);
}

}  // namespace luthier
