// SPDX-License-Identifier: GPL-3.0-or-later
// Composition of the Train page and what it says about launching and ending.
#include "ui/train/train_page.h"

#include <QDir>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QSplitter>
#include <QTabWidget>
#include <QVBoxLayout>

#include "engine/runs/run_folder.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/theme.h"
#include "ui/train/ask_panel.h"
#include "ui/train/forecast_card.h"
#include "ui/train/recipe_form.h"
#include "ui/train/run_curves.h"
#include "ui/train/run_log.h"
#include "ui/widgets/banner.h"
#include "ui/widgets/card.h"

namespace luthier {

TrainPage::TrainPage(Workspace& workspace, QWidget* parent) : Page(workspace, parent) {
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(12, 12, 12, 12);
  layout->setSpacing(8);
  banner_ = new Banner(this);
  layout->addWidget(banner_);
  splitter_ = new QSplitter(Qt::Horizontal, this);
  splitter_->setChildrenCollapsible(false);
  splitter_->setHandleWidth(8);
  splitter_->addWidget(make_settings());
  splitter_->addWidget(make_run());
  splitter_->setStretchFactor(0, 0);
  splitter_->setStretchFactor(1, 1);
  splitter_->setSizes({392, 760});
  layout->addWidget(splitter_, 1);

  connect(&workspace, &Workspace::launch_refused, this, &TrainPage::refuse);
  connect(&workspace, &Workspace::run_started, this, [this] {
    banner_->dismiss();
    rate_->setText(number_text(this->workspace().recipe().training.learning_rate));
    follow_run();
  });
  connect(&workspace, &Workspace::run_grew, this, &TrainPage::follow_run);
  connect(&workspace, &Workspace::run_ended, this, [this](const RunEnded& event) {
    if (event.error) {
      banner_->show_error(*event.error);
      const auto there = summarize_run(event.folder);
      if (there && there->newest_checkpoint)
        banner_->offer(tr("Resume that run"), [this, folder = path_text(event.folder)] { this->workspace().resume_run(folder); });
    } else {
      const QString state = state_text(event.state);
      banner_->show_text(Banner::Kind::Info, tr("The run in %1 is %2, after %3.").arg(path_text(event.folder), state, duration_text(event.seconds)));
      if (event.state == "finished") banner_->offer(tr("Compare it"), [this, folder = path_text(event.folder)] {
        this->workspace().attach_adapter(folder);
        emit go_to(PageId::Compare);
      });
    }
    emit waits();
  });
  connect(&bridge(), &SessionBridge::command_failed, this, [this](const CommandFailed& event) {
    static const QStringList mine{QStringLiteral("pause"), QStringLiteral("resume"), QStringLiteral("stop"), QStringLiteral("save_now"),
                                  QStringLiteral("set_learning_rate")};
    if (mine.contains(QString::fromStdString(event.command))) banner_->show_error(event.error);
  });
  connect(&bridge(), &SessionBridge::state_changed, this, &TrainPage::refresh);
  refresh();
}

QWidget* TrainPage::make_settings() {
  auto* left = new QWidget(this);
  auto* layout = new QVBoxLayout(left);
  layout->setContentsMargins(0, 0, 0, 0);
  layout->setSpacing(8);
  layout->addWidget(make_live_line());
  auto* card = new Card(left);
  card->body()->addWidget(new RecipeForm(workspace(), card));
  layout->addWidget(card, 1);
  layout->addWidget(new ForecastCard(workspace(), left));
  left->setMinimumWidth(352);
  return left;
}

QWidget* TrainPage::make_live_line() {
  live_ = new Card(this);
  auto* row = new QHBoxLayout;
  auto* label = new QLabel(live_);
  rate_ = new QLineEdit(live_);
  rate_->setObjectName(QStringLiteral("liveRate"));
  rate_->setAlignment(Qt::AlignRight);
  label->setBuddy(rate_);
  apply_rate_ = new QPushButton(live_);
  apply_rate_->setObjectName(QStringLiteral("applyRate"));
  row->addWidget(label);
  row->addWidget(rate_, 1);
  row->addWidget(apply_rate_);
  static_cast<Card*>(live_)->body()->addLayout(row);
  connect(apply_rate_, &QPushButton::clicked, this, &TrainPage::apply_rate);
  connect(rate_, &QLineEdit::returnPressed, this, &TrainPage::apply_rate);
  on_language(live_, [this, label] {
    label->setText(tr("Learning &rate from the next step"));
    rate_->setAccessibleName(tr("Learning rate from the next step"));
    apply_rate_->setText(tr("Apply"));
  });
  return live_;
}

QWidget* TrainPage::make_run() {
  auto* right = new QWidget(this);
  auto* layout = new QVBoxLayout(right);
  layout->setContentsMargins(0, 0, 0, 0);
  curves_ = new RunCurves(right);
  tabs_ = new QTabWidget;
  tabs_->setObjectName(QStringLiteral("runTabs"));
  tabs_->setDocumentMode(true);
  tabs_->addTab(new StepLog(workspace(), tabs_), QString());
  tabs_->addTab(new EventTable(workspace(), tabs_), QString());
  tabs_->addTab(new AskPanel(workspace(), tabs_), QString());
  tabs_->setMinimumHeight(112);
  curves_->splitter()->addWidget(tabs_);
  curves_->splitter()->setStretchFactor(3, 2);
  curves_->splitter()->setSizes({224, 172, 120, 172});
  layout->addWidget(curves_);
  on_language(tabs_, [this] {
    tabs_->setTabText(0, tr("Log"));
    tabs_->setTabText(1, tr("Events"));
    tabs_->setTabText(2, tr("Samples"));
  });
  return right;
}

void TrainPage::apply_rate() {
  bool number = false;
  const double rate = rate_->text().trimmed().toDouble(&number);
  if (!number || !(rate >= 0) || rate > 1) {
    banner_->show_text(Banner::Kind::Error, tr("“%1” is no learning rate. Write a number such as 2e-4.").arg(rate_->text()));
    return;
  }
  workspace().session().set_learning_rate(rate);
}

void TrainPage::refresh() {
  const SessionState state = workspace().state();
  const bool active = can_pause(state) || can_resume(state) || state == SessionState::Pausing;
  live_->setVisible(active);
}

void TrainPage::follow_run() {
  const auto& run = workspace().run();
  if (!run) return;
  if (curves_->series().size() != 1) curves_->series().assign(1, {});
  follow_live(*run, curves_->series().front());
  curves_->changed();
}

void TrainPage::refuse(const Error& error) {
  banner_->show_error(error);
  const QString folder = QString::fromStdString(workspace().recipe().output_dir);
  if (folder.isEmpty()) return;
  const auto there = summarize_run(to_path(folder));
  if (!there) return;
  // The usual refusal: the folder holds a run already. To go on with it, or the next free name, is one click away.
  if (there->newest_checkpoint && there->manifest.state != RunState::Finished) {
    banner_->offer(tr("Resume that run"), [this, folder] { workspace().resume_run(folder); });
    return;
  }
  const QString free = workspace().free_run_folder(folder);
  banner_->offer(tr("Launch into %1").arg(free), [this, free] {
    if (workspace().set_field("output_dir", free.toStdString())) workspace().launch();
  });
}

}  // namespace luthier
