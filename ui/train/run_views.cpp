// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/train/run_views.h"

#include <QLabel>
#include <QSplitter>
#include <QStackedWidget>
#include <QTabBar>
#include <QVBoxLayout>
#include <algorithm>

#include "engine/config/rollouts.h"
#include "ui/language.h"
#include "ui/train/filmstrip.h"
#include "ui/train/rollout_feed.h"
#include "ui/train/rollout_panel.h"
#include "ui/train/run_curves.h"
#include "ui/widgets/card.h"

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
  forgetting_ = text_label(this);
  forgetting_->setObjectName(QStringLiteral("forgettingMeter"));
  forgetting_->hide();
  layout->addWidget(forgetting_);
  stack_ = new QStackedWidget(this);
  curves_ = new RunCurves(stack_);
  stack_->addWidget(curves_);
  feed_ = new RolloutFeed(this);
  rollouts_ = new RolloutPanel(*feed_, stack_);
  stack_->addWidget(rollouts_);
  layout->addWidget(stack_, 1);
  strip_ = new Filmstrip(this);
  connect(strip_, &Filmstrip::failed, this, &RunViews::failed);
  connect(curves_, &RunCurves::step_pointed, strip_, &Filmstrip::show_step);
  connect(strip_, &Filmstrip::step_chosen, curves_, &RunCurves::point_at_step);
  connect(curves_, &RunCurves::drawn, this, &RunViews::refresh_forgetting);
  connect(tabs_, &QTabBar::currentChanged, stack_, &QStackedWidget::setCurrentIndex);
  connect(feed_, &RolloutFeed::grew, this, &RunViews::refresh);
  connect(feed_, &RolloutFeed::failed, this, &RunViews::failed);
  on_language(this, [this] {
    tabs_->setAccessibleName(tr("What is shown of the run"));
    tabs_->setTabText(0, tr("Curves"));
    tabs_->setTabText(1, tr("Roll-outs"));
    tabs_->setTabToolTip(1, tr("The answers that the run draws, with their rewards"));
    forgetting_->setToolTip(
        tr("How much worse the probe's questions are answered than before the first step: the "
           "fall of the answers' token F1, in points of a hundred."));
    refresh_forgetting();
  });
}

const std::filesystem::path& RunViews::folder() const { return feed_->folder(); }

void RunViews::set_run(const std::filesystem::path& folder, const Recipe& recipe) {
  draws_ = !rollouts_key(recipe).empty() && rollouts_of(recipe).empty();
  feed_->set_run(folder, reward_weights_of(recipe));
  strip_->set_run(folder);
  refresh();
}

void RunViews::follow(bool on) {
  feed_->follow(on);
  strip_->follow(on);
}

void RunViews::put_strip_below() {
  curves_->splitter()->addWidget(strip_);
  strip_->hide();
  connect(strip_, &Filmstrip::filled, this, [this] { strip_->setVisible(strip_->has_frames()); });
}

void RunViews::refresh_forgetting() {
  const RunLines* const lines =
      curves_->series().size() == 1 ? &curves_->series().front().lines : nullptr;
  const auto figure = [lines](const char* name) -> const RunLines::Figure* {
    if (!lines) return nullptr;
    const auto found = lines->figures.find(name);
    return found == lines->figures.end() ? nullptr : &found->second;
  };
  const RunLines::Figure* const forgotten = figure("eval_probe/forgetting");
  const RunLines::Figure* const measure = figure("eval_probe/token_f1");
  forgetting_->setVisible(forgotten != nullptr);
  if (!forgotten) return;
  const qsizetype line = forgotten->at.last();
  const double fell = forgotten->values.last();
  const double now = measure && measure->at.last() == line ? measure->values.last() : 0;
  const auto points = [](double value) { return QString::number(100 * value, 'f', 1); };
  forgetting_->setText(
      (fell > 0 ? tr("Forgotten: %1 points of the probe (%2 at the start, %3 at step %4)")
                : tr("Nothing forgotten: %1 points on the probe (%2 at the start, %3 at step %4)"))
          .arg(fell > 0 ? points(fell) : QStringLiteral("+") + points(-fell), points(now + fell),
               points(now))
          .arg(static_cast<std::int64_t>(lines->step[line])));
}

void RunViews::refresh() {
  const bool any = draws_ || !feed_->steps().empty();
  // What is not read yet may have some: nothing comes and goes for a moment.
  if (!any && !feed_->whole()) return;
  tabs_->setVisible(any);
  if (!any) tabs_->setCurrentIndex(0);
}

}  // namespace luthier
