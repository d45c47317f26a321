// SPDX-License-Identifier: GPL-3.0-or-later
// Composition of the Ranks page, and following the run that trains.
#include "ui/ranks/rank_page.h"

#include <QCheckBox>
#include <QComboBox>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QStackedWidget>
#include <QTableWidget>
#include <QTimer>
#include <QToolButton>
#include <QVBoxLayout>
#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/compare/result_folder.h"
#include "ui/adapter_menu.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/ranks/heat_map.h"
#include "ui/ranks/several_ranks.h"
#include "ui/theme.h"
#include "ui/train/curve_plot.h"
#include "ui/widgets/banner.h"
#include "ui/widgets/card.h"
#include "ui/widgets/empty_state.h"
#include "ui/widgets/quiet_view.h"
#include "ui/widgets/splitter.h"

namespace luthier {

namespace {

constexpr std::size_t kMostAdapters = 8;  // as many as there are colours
const QString kAboutAdapter = QStringLiteral("adapter");

QColor colour_of(std::size_t entry) {
  const auto& series = colours().series;
  return series[entry % series.size()];
}

QTableWidget* quiet_table(const QString& name, int columns, QWidget* parent) {
  auto* table = new QTableWidget(parent);
  table->setObjectName(name);
  table->setColumnCount(columns);
  make_quiet(table);
  table->setShowGrid(false);
  table->setEditTriggers(QAbstractItemView::NoEditTriggers);
  table->setSelectionBehavior(QAbstractItemView::SelectRows);
  table->setSelectionMode(QAbstractItemView::SingleSelection);
  table->setTabKeyNavigation(false);
  table->setWordWrap(false);
  table->verticalHeader()->hide();
  table->verticalHeader()->setDefaultSectionSize(26);
  table->horizontalHeader()->setHighlightSections(false);
  table->horizontalHeader()->setSectionResizeMode(QHeaderView::ResizeToContents);
  table->horizontalHeader()->setSectionResizeMode(0, QHeaderView::Stretch);
  return table;
}

QTableWidgetItem* cell(const QString& text, bool number) {
  auto* item = new QTableWidgetItem(text);
  if (number) item->setTextAlignment(Qt::AlignRight | Qt::AlignVCenter);
  return item;
}

std::int64_t largest_rank(const AdapterRanks& ranks) {
  std::int64_t most = 0;
  for (const ModuleRanks& module : ranks.modules) most = std::max(most, module.rank);
  return most;
}

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
    for (Entry& entry : entries_)
      if (entry.live) ask(entry);
  });
  connect(&bridge(), &SessionBridge::run_ended, this, [this] {
    for (Entry& entry : entries_)
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
  adapters_ = quiet_table(QStringLiteral("rankAdapters"), 6, card);
  card->body()->addWidget(adapters_);
  left->addWidget(card);
  auto* below = new Card(left);
  modules_ = quiet_table(QStringLiteral("rankModules"), 5, below);
  below->body()->addWidget(modules_);
  left->addWidget(below);
  several_ = new SeveralRanks(workspace(), left);
  left->addWidget(several_);
  left->setStretchFactor(0, 2);
  left->setStretchFactor(1, 3);
  left->setStretchFactor(2, 0);
  left->setSizes({170, 320, 150});
  connect(menu, &AdapterMenu::chosen, this, &RankPage::add_adapter);
  connect(adapters_, &QTableWidget::currentCellChanged, this, [this](int row) {
    if (!filling_ && row >= 0) choose_adapter(row);
  });
  connect(modules_, &QTableWidget::currentCellChanged, this, [this](int row) {
    if (!filling_ && row >= 0) choose_module(static_cast<std::size_t>(row));
  });
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
  on_language(left, [card, below] {
    card->set_title(tr("Adapters"));
    below->set_title(tr("Modules"));
  });
  return left;
}

QWidget* RankPage::make_right() {
  stack_ = new QStackedWidget(this);
  empty_ = new EmptyState(QStringLiteral("ranks"), QStringLiteral("emptyRanks"), stack_);
  stack_->addWidget(empty_);
  auto* right = new Splitter(Qt::Vertical, stack_);
  auto* card = new Card(right);
  card->layout()->setContentsMargins(2, 2, 2, 2);
  plot_ = new CurvePlot(QStringLiteral("spectrum"), card);
  plot_->set_scale(true);
  log_ = new QCheckBox(card);
  log_->setObjectName(QStringLiteral("spectrumLog"));
  plot_->head()->addWidget(log_);
  card->body()->addWidget(plot_);
  group_ = new CurveGroup(card);
  group_->add(plot_);
  right->addWidget(card);
  auto* below = new Card(right);
  shown_ = new QComboBox(below);
  shown_->setObjectName(QStringLiteral("heatShown"));
  shown_->addItems({QString(), QString()});
  below->head()->addWidget(shown_);
  heat_ = new HeatMap(below);
  below->body()->addWidget(heat_, 1);
  right->addWidget(below);
  right->setSizes({360, 380});
  stack_->addWidget(right);
  connect(log_, &QCheckBox::toggled, this, [this](bool on) {
    plot_->set_log(on);
    draw();
  });
  connect(shown_, &QComboBox::currentIndexChanged, this, [this](int index) {
    heat_->set_shown(index == 1 ? HeatMap::Shown::EffectiveRank : HeatMap::Shown::Norm);
  });
  connect(heat_, &HeatMap::chosen, this, &RankPage::choose_module);
  connect(empty_->button(), &QAbstractButton::clicked, this,
          [this] { findChild<QToolButton*>(QStringLiteral("addToRanks"))->showMenu(); });
  group_->set_places([](double x) {
    const double place = std::max(1.0, std::round(x));
    return CurveGroup::Place{place, tr("Value %1").arg(place)};
  });
  on_language(stack_, [this, below] {
    log_->setText(tr("log"));
    below->set_title(tr("The change, layers × modules"));
    shown_->setItemText(0, tr("norm of the change"));
    shown_->setItemText(1, tr("effective rank"));
    shown_->setAccessibleName(tr("What the colours show"));
    heat_->setAccessibleName(tr("The change, layers × modules"));
  });
  return stack_;
}

void RankPage::entered() {
  // The first visit shows what stands in Compare already.
  if (!std::exchange(visited_, true) && entries_.empty()) {
    for (const AttachedAdapter& adapter : workspace().adapters())
      if (!adapter.whole) add_adapter(path_text(adapter.folder));
  }
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
  Entry entry;
  entry.name = QString::fromStdString(result_name(to_path(folder)));
  entry.folder = folder;
  entry.live = live;
  entries_.push_back(entry);
  ask(entries_.back());
  fill_adapters();
  refresh();
}

void RankPage::ask(Entry& entry) {
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
  const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
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
  const Entry* entry = current();
  if (!entry || !entry->ranks || module >= entry->ranks->modules.size()) return;
  module_ = entry->ranks->modules[module].name;
  filling_ = true;
  modules_->setCurrentCell(static_cast<int>(module), 0);
  filling_ = false;
  draw();
}

const RankPage::Entry* RankPage::current() const {
  return current_ < entries_.size() ? &entries_[current_] : nullptr;
}

void RankPage::fill_adapters() {
  filling_ = true;
  adapters_->setHorizontalHeaderLabels(
      {tr("Adapter"), tr("Rank"), tr("Effective"), tr("Used"), tr("Norm"), QString()});
  adapters_->horizontalHeaderItem(2)->setToolTip(
      tr("The mean over the modules of exp(entropy of the singular values' shares)"));
  adapters_->horizontalHeaderItem(3)->setToolTip(tr("Effective rank of the rank"));
  adapters_->setRowCount(static_cast<int>(entries_.size()));
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const Entry& entry = entries_[i];
    const int row = static_cast<int>(i);
    QPixmap mark(10, 10);
    mark.fill(colour_of(i));
    auto* name = cell(entry.live ? tr("%1 (trains)").arg(entry.name) : entry.name, false);
    name->setIcon(QIcon(mark));
    name->setToolTip(entry.folder);
    adapters_->setItem(row, 0, name);
    QString texts[4];
    if (entry.ranks) {
      const std::int64_t rank = largest_rank(*entry.ranks);
      const double effective = mean_effective_rank(*entry.ranks);
      texts[0] = QString::number(rank);
      texts[1] = QString::number(effective, 'f', 2);
      texts[2] = percent_text(effective, static_cast<double>(rank));
      texts[3] = number_text(entry.ranks->norm, 3);
    } else {
      texts[0] = QStringLiteral("…");
    }
    for (int column = 0; column < 4; ++column)
      adapters_->setItem(row, column + 1, cell(texts[column], true));
    auto* drop = new QToolButton(adapters_);
    drop->setObjectName(QStringLiteral("dropRanks_%1").arg(row));
    drop->setAutoRaise(true);
    set_themed_icon(drop, QStringLiteral("close"));
    drop->setToolTip(tr("Take it out of the list"));
    drop->setAccessibleName(tr("%1: take it out of the list").arg(entry.name));
    // The button goes with its row: after its own click has returned.
    connect(
        drop, &QToolButton::clicked, this, [this, row] { remove(row); }, Qt::QueuedConnection);
    adapters_->setCellWidget(row, 5, drop);
  }
  if (current_ < entries_.size()) adapters_->setCurrentCell(static_cast<int>(current_), 0);
  filling_ = false;
}

void RankPage::fill_modules() {
  filling_ = true;
  const Entry* entry = current();
  const bool any = entry && entry->ranks;
  modules_->setHorizontalHeaderLabels(
      {tr("Module"), tr("Rank"), tr("Effective"), tr("For 99 %"), tr("Norm")});
  modules_->horizontalHeaderItem(3)->setToolTip(
      tr("How many values hold 99 % of the squared norm"));
  modules_->setRowCount(any ? static_cast<int>(entry->ranks->modules.size()) : 0);
  int chosen = any ? 0 : -1;
  for (int row = 0; row < modules_->rowCount(); ++row) {
    const ModuleRanks& module = entry->ranks->modules[static_cast<std::size_t>(row)];
    if (module.name == module_) chosen = row;
    auto* name = cell(short_module_name(module.name), false);
    name->setToolTip(QString::fromStdString(module.name) + QLatin1Char('\n') +
                     shape_text(module.shape));
    modules_->setItem(row, 0, name);
    const QString texts[] = {QString::number(module.rank),
                             QString::number(module.effective, 'f', 2),
                             QString::number(module.holding), number_text(module.norm, 3)};
    for (int column = 0; column < 4; ++column)
      modules_->setItem(row, column + 1, cell(texts[column], true));
  }
  if (chosen >= 0) {
    module_ = entry->ranks->modules[static_cast<std::size_t>(chosen)].name;
    modules_->setCurrentCell(chosen, 0);
  }
  filling_ = false;
}

void RankPage::draw() {
  const Entry* entry = current();
  const auto ranks = entry ? entry->ranks : nullptr;
  const auto points = [this](const ModuleRanks& module, Curve& curve) {
    for (std::size_t i = 0; i < module.values.size(); ++i) {
      if (log_->isChecked() && module.values[i] <= 0) continue;
      curve.x << static_cast<double>(i + 1);
      curve.y << module.values[i];
    }
  };
  std::vector<Curve> curves;
  std::size_t chosen = HeatGrid::kNone;
  for (std::size_t i = 0; ranks && i < ranks->modules.size(); ++i) {
    if (ranks->modules[i].name == module_) chosen = i;
    Curve curve;  // all of the chosen adapter's, behind
    curve.colour = colours().muted;
    curve.width = 1;
    curve.mark = LegendEntry::Mark::Faded;
    curve.in_legend = false;
    points(ranks->modules[i], curve);
    curves.push_back(std::move(curve));
  }
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (!entries_[i].ranks) continue;
    for (const ModuleRanks& module : entries_[i].ranks->modules) {
      if (module.name != module_) continue;
      Curve curve;
      curve.name = entries_[i].name;
      curve.colour = colour_of(i);
      curve.width = i == current_ ? 2.5 : 1.5;
      curve.mark = LegendEntry::Mark::Dot;
      points(module, curve);
      curves.push_back(std::move(curve));
    }
  }
  plot_->set_title(module_.empty() ? tr("Singular values")
                                   : tr("Singular values of %1").arg(short_module_name(module_)));
  plot_->set_curves(std::move(curves));
  group_->data_changed();
  plot_->redraw();
  // Ticks go by the height that the first drawing finds out.
  QTimer::singleShot(0, plot_, &CurvePlot::draw_soon);
  heat_->set_ranks(ranks);
  heat_->set_chosen(chosen);
}

void RankPage::refresh() {
  const bool any = std::any_of(entries_.begin(), entries_.end(),
                               [](const Entry& entry) { return entry.ranks != nullptr; });
  stack_->setCurrentIndex(any ? 1 : 0);
  empty_->set_texts(tr("What of its rank does an adapter use?"),
                    tr("Choose an adapter: the singular values of each module's change show "
                       "whether a smaller rank would do, or a larger one pay."),
                    tr("Choose an adapter…"));
  if (any && isVisible()) draw();
}

}  // namespace luthier
