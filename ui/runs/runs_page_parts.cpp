// SPDX-License-Identifier: GPL-3.0-or-later
// The pieces that the Runs page is put together from.
#include <QFileDialog>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QStackedWidget>
#include <QTabBar>
#include <QTableView>
#include <QToolButton>
#include <QVBoxLayout>

#include "ui/format.h"
#include "ui/language.h"
#include "ui/run_series.h"
#include "ui/runs/notes_panel.h"
#include "ui/runs/run_actions.h"
#include "ui/runs/run_list_model.h"
#include "ui/runs/run_order.h"
#include "ui/runs/runs_page.h"
#include "ui/runs/setting_differences.h"
#include "ui/theme.h"
#include "ui/train/run_curves.h"
#include "ui/train/run_views.h"
#include "ui/widgets/banner.h"
#include "ui/widgets/card.h"
#include "ui/widgets/quiet_view.h"
#include "ui/widgets/splitter.h"

namespace luthier {

namespace {
constexpr int kHeadingRoom = 6, kRoomForSmall = 400;
}

QWidget* RunsPage::make_head() {
  auto* head = new QWidget(this);
  auto* row = new QHBoxLayout(head);
  row->setContentsMargins(0, 0, 0, 0);
  tabs_ = new QTabBar(head);
  tabs_->setObjectName(QStringLiteral("runsTabs"));
  tabs_->setDrawBase(false);
  tabs_->setExpanding(false);
  for (int tab = 0; tab < 3; ++tab) tabs_->addTab(QString());
  row->addWidget(tabs_);
  auto* label = new QLabel(head);
  folder_ = new QLineEdit(QStringLiteral("runs"), head);
  folder_->setObjectName(QStringLiteral("runsFolder"));
  label->setBuddy(folder_);
  auto* browse = new QToolButton(head);
  browse->setObjectName(QStringLiteral("browseRuns"));
  set_themed_icon(browse, QStringLiteral("folder"));
  auto* again = new QToolButton(head);
  again->setObjectName(QStringLiteral("reloadRuns"));
  set_themed_icon(again, QStringLiteral("refresh"));
  row->addSpacing(8);
  row->addWidget(label);
  row->addWidget(folder_, 1);
  for (QWidget* widget : std::initializer_list<QWidget*>{browse, again}) row->addWidget(widget);
  verbs_ = new QToolButton(this);  // its menu needs the banner; make_search has its place
  connect(folder_, &QLineEdit::editingFinished, this, &RunsPage::reload);
  connect(again, &QToolButton::clicked, this, [this] {
    for (const auto& [run, series] : read_) stale_.insert(run);
    reload();
  });
  connect(browse, &QToolButton::clicked, this, [this] {
    const QString folder =
        QFileDialog::getExistingDirectory(this, tr("The folder that holds runs"), folder_->text());
    if (!folder.isEmpty()) set_folder(folder);
  });
  on_language(head, [this, label, browse, again] {
    label->setText(tr("Runs &in"));
    folder_->setAccessibleName(tr("The folder that holds runs"));
    browse->setToolTip(tr("Choose the folder"));
    browse->setAccessibleName(tr("Choose the folder"));
    again->setToolTip(tr("Read again"));
    again->setAccessibleName(tr("Read again"));
  });
  return head;
}

QWidget* RunsPage::make_search() {
  auto* line = new QWidget(this);
  auto* row = new QHBoxLayout(line);
  row->setContentsMargins(0, 0, 0, 0);
  search_ = new QLineEdit(line);
  search_->setObjectName(QStringLiteral("searchRuns"));
  search_->setClearButtonEnabled(true);
  search_->setMinimumWidth(140);
  tree_ = new QToolButton(line);
  tree_->setObjectName(QStringLiteral("runsTree"));
  tree_->setCheckable(true);
  tree_->setChecked(true);
  verbs_->setParent(line);
  verbs_->setObjectName(QStringLiteral("runVerbs"));
  verbs_->setPopupMode(QToolButton::InstantPopup);
  use_ = new QPushButton(line);
  use_->setObjectName(QStringLiteral("useSettings"));
  resume_ = new QPushButton(line);
  resume_->setObjectName(QStringLiteral("resumeRun"));
  compare_ = new QPushButton(line);
  compare_->setObjectName(QStringLiteral("compareRuns"));
  row->addWidget(search_, 1);
  for (QWidget* widget : std::initializer_list<QWidget*>{tree_, verbs_, use_, resume_, compare_})
    row->addWidget(widget);
  connect(search_, &QLineEdit::textChanged, order_, &RunOrder::set_search);
  connect(tree_, &QToolButton::clicked, this, [this](bool on) {
    if (on) {
      table_->horizontalHeader()->setSortIndicatorShown(false);
      order_->show_tree();
    } else {
      tree_->setChecked(true);  // a column's heading leaves the tree
    }
  });
  connect(compare_, &QPushButton::clicked, this, &RunsPage::compare_ticked);
  connect(use_, &QPushButton::clicked, this, [this] {
    const int at = current_row();
    if (at < 0 || !model_->rows()[static_cast<std::size_t>(at)].recipe) return;
    Recipe recipe = *model_->rows()[static_cast<std::size_t>(at)].recipe;
    recipe.output_dir =
        workspace().free_run_folder(QString::fromStdString(recipe.output_dir)).toStdString();
    workspace().replace_recipe(recipe);
    emit go_to(PageId::Train);
  });
  connect(resume_, &QPushButton::clicked, this, [this] {
    const int at = current_row();
    if (at < 0) return;
    emit go_to(PageId::Train);
    workspace().resume_run(path_text(model_->rows()[static_cast<std::size_t>(at)].summary.path));
  });
  on_language(line, [this] {
    search_->setPlaceholderText(tr("Search names, tags, notes, data, methods"));
    search_->setAccessibleName(tr("Search the runs"));
    tree_->setText(tr("Tree"));
    tree_->setToolTip(
        tr("Newest first, forks below the runs that they came from; a column's "
           "heading sorts by it"));
    verbs_->setText(tr("Run"));
    verbs_->setToolTip(tr("What can be done with the selected run"));
    use_->setText(tr("&Use its settings"));
    use_->setToolTip(
        tr("Takes the selected run's settings to the Train page, with a new run folder"));
    resume_->setText(tr("R&esume"));
    resume_->setToolTip(tr("Goes on from the selected run's newest checkpoint"));
    compare_->setText(tr("Compare the ticked"));
    compare_->setToolTip(tr("Attaches the ticked runs' adapters on the Compare page"));
  });
  return line;
}

QWidget* RunsPage::make_table() {
  auto* card = new Card(this);
  card->body()->addWidget(make_search());
  table_ = new QTableView(card);
  table_->setObjectName(QStringLiteral("runTable"));
  table_->setModel(order_);
  make_quiet(table_);
  table_->setShowGrid(false);
  table_->setSelectionBehavior(QAbstractItemView::SelectRows);
  table_->setSelectionMode(QAbstractItemView::SingleSelection);
  table_->setEditTriggers(QAbstractItemView::EditKeyPressed);
  table_->setContextMenuPolicy(Qt::CustomContextMenu);
  table_->setTabKeyNavigation(false);
  table_->setWordWrap(false);
  table_->verticalHeader()->hide();
  table_->verticalHeader()->setDefaultSectionSize(28);
  table_->horizontalHeader()->setHighlightSections(false);
  table_->horizontalHeader()->setSectionsClickable(true);
  table_->horizontalHeader()->setStretchLastSection(true);
  const int widths[] = {150, 76, 100, 84, 140, 66, 72, 80, 84, 120, 100};
  for (int column = 0; column < RunListModel::ColumnCount; ++column)
    table_->setColumnWidth(column, widths[column]);
  card->body()->addWidget(table_);
  connect(model_, &RunListModel::ticks_changed, this, &RunsPage::show_ticked);
  connect(table_, &QTableView::customContextMenuRequested, this, [this](const QPoint& at) {
    actions_->menu()->popup(table_->viewport()->mapToGlobal(at));
  });
  connect(table_->horizontalHeader(), &QHeaderView::sectionClicked, this, [this](int column) {
    QHeaderView* head = table_->horizontalHeader();
    const bool again = !order_->as_tree() && order_->sortColumn() == column;
    const Qt::SortOrder sorted = again && order_->sortOrder() == Qt::AscendingOrder
                                     ? Qt::DescendingOrder
                                     : Qt::AscendingOrder;
    tree_->setChecked(false);
    order_->show_sorted(column, sorted);
    head->setSortIndicatorShown(true);
    head->setSortIndicator(column, sorted);
  });
  connect(table_->selectionModel(), &QItemSelectionModel::currentRowChanged, this,
          &RunsPage::refresh);
  connect(table_->selectionModel(), &QItemSelectionModel::currentRowChanged, this,
          &RunsPage::show_drawn);
  on_language(card, [this] {
    table_->setAccessibleName(tr("Past runs"));
    // No heading is cut, whatever the language.
    for (int column = 0; column < RunListModel::Tags; ++column) {
      const int needed = table_->horizontalHeader()->sectionSizeHint(column) + kHeadingRoom;
      if (table_->columnWidth(column) < needed) table_->setColumnWidth(column, needed);
    }
  });
  return card;
}

QWidget* RunsPage::make_below() {
  auto* splitter = new Splitter(Qt::Horizontal, this);
  views_ = new RunViews(splitter);
  curves_ = views_->curves();
  views_->put_strip_below();
  curves_->set_room_for_small(kRoomForSmall);
  connect(views_, &RunViews::failed, this,
          [this](const Error& error) { banner_->show_error(error); });
  splitter->addWidget(views_);
  auto* card = new Card(splitter);
  side_ = new QTabBar(card);
  side_->setObjectName(QStringLiteral("runSideTabs"));
  side_->setDrawBase(false);
  side_->setExpanding(false);
  for (int tab = 0; tab < 2; ++tab) side_->addTab(QString());
  card->body()->addWidget(side_);
  auto* sides = new QStackedWidget(card);
  differences_ = new DifferencesView(sides);
  notes_ = new NotesPanel(sides);
  sides->addWidget(differences_);
  sides->addWidget(notes_);
  card->body()->addWidget(sides, 1);
  connect(side_, &QTabBar::currentChanged, sides, &QStackedWidget::setCurrentIndex);
  splitter->addWidget(card);
  splitter->setStretchFactor(0, 1);
  splitter->setSizes({800, 320});
  return splitter;
}

}  // namespace luthier
