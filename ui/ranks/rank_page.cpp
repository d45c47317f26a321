// SPDX-License-Identifier: GPL-3.0-or-later
// Composition of the Ranks page, and following the run that trains.
#include "ui/ranks/rank_page.h"

#include <QPushButton>
#include <QStackedWidget>
#include <QToolButton>
#include <QVBoxLayout>
#include <algorithm>
#include <utility>

#include "engine/compare/result_folder.h"
#include "ui/adapter_menu.h"
#include "ui/format.h"
#include "ui/lab/step_window.h"
#include "ui/language.h"
#include "ui/ranks/rank_plots.h"
#include "ui/ranks/several_ranks.h"
#include "ui/theme.h"
#include "ui/widgets/banner.h"
#include "ui/widgets/card.h"
#include "ui/widgets/empty_state.h"
#include "ui/widgets/splitter.h"

namespace luthier {

namespace {

constexpr std::size_t kMostAdapters = 8;  // as many as there are colours
const QString kAboutAdapter = QStringLiteral("adapter");

}  // namespace

RankPage::RankPage(Workspace& workspace, QWidget* parent) : Page(workspace, parent) {
  auto* layout = make_layout();
  banner_ = new Banner(this);
  layout->addWidget(banner_);
  auto* splitter = new Splitter(Qt::Horizontal, this);
  splitter->addWidget(make_left());
  splitter->addWidget(make_right());
  splitter->setStretchFactor(0, 2);
  splitter->setStretchFactor(1, 3);
  splitter->setSizes({470, 690});
  layout->addWidget(splitter, 1);
  banner_->float_over(splitter->widget(1));
  connect(&bridge(), &SessionBridge::ranks_found, this, &RankPage::take);
  connect(&bridge(), &SessionBridge::request_done, this, &RankPage::end);
  connect(&bridge(), &SessionBridge::run_event, this, [this](const RunEvent& event) {
    if (event.kind != "checkpoint") return;
    for (RankedAdapter& entry : entries_)
      if (entry.live) ask(entry);
  });
  connect(&bridge(), &SessionBridge::run_ended, this, [this] {
    for (RankedAdapter& entry : entries_)
      if (std::exchange(entry.live, false)) ask(entry);
  });
  connect(&Theme::instance(), &Theme::changed, this, [this] {
    fill_adapters();
    draw();
  });
  on_language(this, [this] {
    fill_adapters();
    fill_modules();
    draw();
    refresh();
  });
}

QWidget* RankPage::make_left() {
  auto* left = new Splitter(Qt::Vertical, this);
  auto* card = new Card(left);
  auto* menu = new AdapterMenu(workspace(), AdapterMenu::Running::Offered, card);
  menu->setObjectName(QStringLiteral("rankAdapterMenu"));
  card->head()->addWidget(AdapterMenu::button(menu, QStringLiteral("addToRanks"), card));
  adapters_ = new RankAdapters(card);
  card->body()->addWidget(adapters_);
  left->addWidget(card);
  auto* below = new Card(left);
  modules_ = new RankModules(below);
  below->body()->addWidget(modules_);
  left->addWidget(below);
  auto* step = new QPushButton(below);
  step->setObjectName(QStringLiteral("openStep"));
  below->head()->addWidget(step);
  connect(step, &QPushButton::clicked, this,
          [this] { StepWindow::of(this->workspace(), this)->open_here(); });
  several_ = new SeveralRanks(workspace(), left);
  left->addWidget(several_);
  left->setStretchFactor(0, 2);
  left->setStretchFactor(1, 3);
  left->setStretchFactor(2, 0);
  left->setSizes({170, 320, 150});
  left->setMinimumWidth(404);  // modules' names can be told apart
  connect(menu, &AdapterMenu::chosen, this, &RankPage::add_adapter);
  connect(adapters_, &RankAdapters::chosen, this, &RankPage::choose_adapter);
  connect(adapters_, &RankAdapters::drop_asked, this, &RankPage::remove);
  connect(modules_, &RankModules::chosen, this, &RankPage::choose_module);
  connect(several_, &SeveralRanks::failed, this, [this](const Error& error) {
    banner_->show_error(error);
    banner_->set_about(kAboutAdapter);
  });
  connect(several_, &SeveralRanks::queued, this, [this] { banner_->dismiss(); });
  connect(several_, &SeveralRanks::show_asked, this, &RankPage::add_adapter);
  connect(several_, &SeveralRanks::compare_asked, this, [this](const QStringList& folders) {
    for (const QString& folder : folders) workspace().attach_adapter(folder);
    emit go_to(PageId::Compare);
  });
  on_language(left, [this, card, below, step] {
    step->setText(tr("One step, &slowly…"));
    step->setToolTip(
        tr("An update of A and B taken apart: gradients, the change of the weight, memory"));
    card->set_title(tr("Adapters"));
    below->set_title(tr("Modules"));
    adapters_->setAccessibleName(tr("Adapters"));
    modules_->setAccessibleName(tr("Modules"));
  });
  return left;
}

QWidget* RankPage::make_right() {
  stack_ = new QStackedWidget(this);
  empty_ = new EmptyState(QStringLiteral("ranks"), QStringLiteral("emptyRanks"), stack_);
  stack_->addWidget(empty_);
  plots_ = new RankPlots(stack_);
  stack_->addWidget(plots_);
  connect(plots_, &RankPlots::chosen, this, &RankPage::choose_module);
  connect(plots_, &RankPlots::redraw_asked, this, &RankPage::draw);
  connect(empty_->button(), &QAbstractButton::clicked, this,
          [this] { findChild<QToolButton*>(QStringLiteral("addToRanks"))->showMenu(); });
  return stack_;
}

void RankPage::entered() {
  // Once what stands in Compare is shown; a look before anything stood there is no visit.
  if (!visited_ && entries_.empty())
    for (const AttachedAdapter& adapter : workspace().adapters())
      if (!adapter.whole) add_adapter(path_text(adapter.folder));
  visited_ = visited_ || !entries_.empty();
  refresh();
}

void RankPage::add_adapter(const QString& folder) {
  const auto& run = workspace().run();
  const bool live = run && !run->ended && run->started.folder == to_path(folder);
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].folder != folder) continue;
    ask(entries_[i]);
    return;
  }
  if (entries_.size() >= kMostAdapters) {
    banner_->show_text(
        Banner::Kind::Warning,
        tr("%1 adapters stand side by side at most: take one out first.").arg(kMostAdapters));
    return;
  }
  RankedAdapter entry;
  entry.name = QString::fromStdString(result_name(to_path(folder)));
  entry.folder = folder;
  entry.live = live;
  entries_.push_back(entry);
  ask(entries_.back());
  fill_adapters();
  refresh();
}

void RankPage::ask(RankedAdapter& entry) {
  entry.request = workspace().session().find_ranks(to_path(entry.folder));
}

void RankPage::take(const RanksFound& event) {
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].request != event.request) continue;
    const bool first = !entries_[i].ranks;
    entries_[i].ranks = std::make_shared<const AdapterRanks>(event.ranks);
    if (first) current_ = i;
    banner_->dismiss_about(kAboutAdapter);
    fill_adapters();
    fill_modules();
    draw();
    refresh();
    return;
  }
}

void RankPage::end(const RequestDone& event) {
  const auto found =
      std::find_if(entries_.begin(), entries_.end(), [&](const RankedAdapter& entry) {
        return entry.request != 0 && entry.request == event.request;
      });
  if (found == entries_.end()) return;
  found->request = 0;
  if (!event.error) return;
  banner_->show_error(*event.error);
  banner_->set_about(kAboutAdapter);
  if (found->live && !found->ranks) {
    // It is shown as soon as there is a checkpoint.
    banner_->offer(tr("Save a checkpoint now"), [this] { workspace().session().save_now(); });
  } else if (!found->ranks) {
    remove(static_cast<int>(found - entries_.begin()));
  }
  fill_adapters();
  refresh();
}

void RankPage::remove(int row) {
  if (row < 0 || static_cast<std::size_t>(row) >= entries_.size()) return;
  entries_.erase(entries_.begin() + row);
  if (current_ >= entries_.size() || static_cast<std::size_t>(row) < current_)
    current_ = current_ > 0 ? current_ - 1 : 0;
  fill_adapters();
  fill_modules();
  draw();
  refresh();
}

void RankPage::choose_adapter(int row) {
  current_ = static_cast<std::size_t>(row);
  fill_modules();
  draw();
}

void RankPage::choose_module(std::size_t module) {
  const auto ranks = current_ranks();
  if (!ranks || module >= ranks->modules.size()) return;
  module_ = ranks->modules[module].name;
  modules_->choose(module_);
  draw();
}

std::shared_ptr<const AdapterRanks> RankPage::current_ranks() const {
  return current_ < entries_.size() ? entries_[current_].ranks : nullptr;
}

void RankPage::fill_adapters() { adapters_->show_adapters(entries_, current_); }

void RankPage::fill_modules() {
  modules_->show_modules(current_ranks(), module_);
  if (current_ranks()) module_ = modules_->current_module();
}

void RankPage::draw() { plots_->draw(entries_, current_, module_); }

void RankPage::refresh() {
  const bool any = std::any_of(entries_.begin(), entries_.end(),
                               [](const RankedAdapter& entry) { return entry.ranks != nullptr; });
  stack_->setCurrentIndex(any ? 1 : 0);
  empty_->set_texts(tr("What of its rank does an adapter use?"),
                    tr("Choose an adapter: the singular values of each module's change show "
                       "whether a smaller rank would do, or a larger one pay."),
                    tr("Choose an adapter…"));
  if (any && isVisible()) draw();
}

}  // namespace luthier
