// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/runs/queue_panel.h"

#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QPushButton>
#include <QTableWidget>
#include <QTimer>
#include <QToolButton>
#include <QVBoxLayout>
#include <algorithm>

#include "engine/io/named_place.h"
#include "engine/runs/run_notes.h"
#include "ui/background.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/messages.h"
#include "ui/runs/notes_panel.h"
#include "ui/runs/sweep_dialog.h"
#include "ui/theme.h"
#include "ui/widgets/banner.h"
#include "ui/widgets/card.h"
#include "ui/widgets/quiet_view.h"

namespace luthier {

namespace {
enum QueueColumn { Label, State, Group, Folder, QueueColumns };

/// So that a sweep's runs are found together, also in other sessions.
Status add_tag(const std::filesystem::path& run, const std::string& tag) {
  LUTHIER_TRY(RunNotes notes, read_run_notes(run));
  notes.tags.push_back(tag);
  return write_run_notes(run, std::move(notes));
}

/// A group that was queued here, by hand or by a sweep.
bool is_ours(const QString& group) {
  return group == QueuePanel::kGroup || group.startsWith(SweepDialog::tag_of({}));
}

}  // namespace

const QString QueuePanel::kGroup = QStringLiteral("queue");

QueuePanel::QueuePanel(Workspace& workspace, Banner& banner, QWidget* parent)
    : QWidget(parent), workspace_(workspace), banner_(banner) {
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(0, 0, 0, 0);
  layout->addWidget(make_buttons());
  auto* card = new Card(this);
  table_ = new QTableWidget(0, QueueColumns, card);
  table_->setObjectName(QStringLiteral("queueTable"));
  make_quiet(table_);
  table_->setSelectionBehavior(QAbstractItemView::SelectRows);
  table_->setSelectionMode(QAbstractItemView::SingleSelection);
  table_->setEditTriggers(QAbstractItemView::DoubleClicked | QAbstractItemView::EditKeyPressed);
  table_->setTabKeyNavigation(false);
  table_->setShowGrid(false);
  table_->setWordWrap(false);
  table_->verticalHeader()->hide();
  table_->verticalHeader()->setDefaultSectionSize(28);
  table_->horizontalHeader()->setStretchLastSection(true);
  table_->setColumnWidth(Label, 260);
  table_->setColumnWidth(State, 120);
  table_->setColumnWidth(Group, 160);
  card->body()->addWidget(table_);
  layout->addWidget(card, 1);
  RunQueue& queue = workspace_.queue();
  connect(&queue, &RunQueue::changed, this, &QueuePanel::refresh);
  connect(&queue, &RunQueue::ended, this, &QueuePanel::tag_run);
  connect(table_, &QTableWidget::itemSelectionChanged, this, &QueuePanel::refresh_buttons);
  connect(table_, &QTableWidget::itemChanged, this, [this](QTableWidgetItem* item) {
    if (filling_ || item->column() != Label) return;
    // The table is filled anew for it, which must not happen under the item that says so.
    QTimer::singleShot(0, this,
                       [this, id = item->data(Qt::UserRole).toULongLong(),
                        name = item->text().trimmed()] { workspace_.queue().rename(id, name); });
  });
  connect(&workspace_.bridge(), &SessionBridge::state_changed, this, &QueuePanel::refresh_buttons);
  on_language(this, [this] {
    add_->setText(tr("&Queue the Train page's recipe"));
    add_->setToolTip(tr("Runs as the settings stand now, after what waits already"));
    sweep_->setText(tr("Swee&p…"));
    sweep_->setToolTip(tr("A run for each combination of a few values of a few settings"));
    clear_->setText(tr("Clear what has &ended"));
    const auto named = [](QToolButton* button, const QString& text) {
      button->setToolTip(text);
      button->setAccessibleName(text);
    };
    up_->setText(QStringLiteral("↑"));
    down_->setText(QStringLiteral("↓"));
    named(up_, tr("Earlier"));
    named(down_, tr("Later"));
    named(remove_, tr("Take it out of the queue"));
    table_->setAccessibleName(tr("Queued runs"));
    table_->setHorizontalHeaderLabels({tr("Name"), tr("State"), tr("Group"), tr("Run folder")});
    refresh();
  });
}

QWidget* QueuePanel::make_buttons() {
  auto* head = new QWidget(this);
  auto* row = new QHBoxLayout(head);
  row->setContentsMargins(0, 0, 0, 0);
  const auto push = [&](const char* name) {
    auto* button = new QPushButton(head);
    button->setObjectName(QLatin1String(name));
    return button;
  };
  const auto tool = [&](const char* name) {
    auto* button = new QToolButton(head);
    button->setObjectName(QLatin1String(name));
    return button;
  };
  add_ = push("queueRecipe");
  sweep_ = push("queueSweep");
  note_ = muted_label(head, 0.9);
  note_->setObjectName(QStringLiteral("queueNote"));
  up_ = tool("queueUp");
  down_ = tool("queueDown");
  remove_ = tool("queueRemove");
  set_themed_icon(remove_, QStringLiteral("close"));
  hold_ = push("queueHold");
  clear_ = push("queueClear");
  row->addWidget(add_);
  row->addWidget(sweep_);
  row->addWidget(note_, 1);
  for (QWidget* widget : std::initializer_list<QWidget*>{up_, down_, remove_, hold_, clear_})
    row->addWidget(widget);
  connect(add_, &QPushButton::clicked, this, &QueuePanel::add_recipe);
  connect(sweep_, &QPushButton::clicked, this, &QueuePanel::sweep);
  connect(up_, &QToolButton::clicked, this, [this] { workspace_.queue().move(current(), -1); });
  connect(down_, &QToolButton::clicked, this, [this] { workspace_.queue().move(current(), 1); });
  connect(remove_, &QToolButton::clicked, this, [this] { workspace_.queue().remove(current()); });
  connect(hold_, &QPushButton::clicked, this, [this] {
    RunQueue& queue = workspace_.queue();
    if (queue.held())
      queue.go_on();
    else
      queue.hold();
  });
  connect(clear_, &QPushButton::clicked, this, [this] {
    RunQueue& queue = workspace_.queue();
    QStringList groups;
    for (const QueuedRun& run : queue.runs())
      if (run.state == QueuedRun::State::Ended) groups << run.group;
    groups.removeDuplicates();
    for (const QString& group : groups)
      if (is_ours(group)) queue.forget_ended(group);
  });
  return head;
}

std::uint64_t QueuePanel::current() const {
  const QTableWidgetItem* item =
      table_->currentRow() < 0 ? nullptr : table_->item(table_->currentRow(), Label);
  return item ? item->data(Qt::UserRole).toULongLong() : 0;
}

void QueuePanel::refresh() {
  const std::uint64_t chosen = current();
  filling_ = true;
  const std::vector<QueuedRun>& runs = workspace_.queue().runs();
  table_->setRowCount(static_cast<int>(runs.size()));
  int chosen_row = -1;
  for (int row = 0; row < static_cast<int>(runs.size()); ++row) {
    const QueuedRun& run = runs[static_cast<std::size_t>(row)];
    const auto put = [&](int column, const QString& text, bool edits = false) {
      auto* item = new QTableWidgetItem(text);
      item->setToolTip(text);
      if (!edits) item->setFlags(item->flags() & ~Qt::ItemIsEditable);
      item->setData(Qt::UserRole, QVariant::fromValue<qulonglong>(run.id));
      table_->setItem(row, column, item);
      return item;
    };
    put(Label, run.label, true);
    QTableWidgetItem* state = nullptr;
    switch (run.state) {
      case QueuedRun::State::Waiting: state = put(State, tr("waits")); break;
      case QueuedRun::State::Running: state = put(State, state_text("running")); break;
      case QueuedRun::State::Ended: state = put(State, state_text(run.end_state)); break;
    }
    if (run.error) {
      state->setIcon(themed_icon(QStringLiteral("warning"), colours().warning));
      state->setToolTip(error_text(*run.error));
    }
    put(Group, run.group == kGroup ? QString() : run.group);
    put(Folder, QString::fromStdString(run.recipe.output_dir));
    if (run.id == chosen) chosen_row = row;
  }
  if (chosen_row >= 0) table_->selectRow(chosen_row);
  filling_ = false;
  refresh_buttons();
}

void QueuePanel::refresh_buttons() {
  const RunQueue& queue = workspace_.queue();
  const QueuedRun* run = queue.find(current());
  const bool waits = run && run->state == QueuedRun::State::Waiting;
  up_->setEnabled(waits);
  down_->setEnabled(waits);
  remove_->setEnabled(run && run->state != QueuedRun::State::Running);
  hold_->setText(queue.held() ? tr("&Go on") : tr("&Hold"));
  hold_->setToolTip(queue.held() ? tr("Launches what waits, one after another")
                                 : tr("Launches nothing more; what runs goes on"));
  hold_->setEnabled(queue.waiting() > 0);
  const auto& runs = queue.runs();
  clear_->setEnabled(std::any_of(runs.begin(), runs.end(), [](const QueuedRun& each) {
    return each.state == QueuedRun::State::Ended && is_ours(each.group);
  }));
  const auto waiting = static_cast<int>(queue.waiting());
  note_->setText(queue.held()  ? tr("Held; %n runs wait.", nullptr, waiting)
                 : waiting > 0 ? tr("%n runs wait.", nullptr, waiting)
                 : runs.empty()
                     ? tr("Nothing is queued: add the Train page's recipe, or make a sweep.")
                     : QString());
}

bool QueuePanel::refused() {
  if (workspace_.refuse_faults())
    banner_.show_text(Banner::Kind::Warning,
                      tr("A setting on the Train page cannot be used: mend it first."));
  else if (workspace_.staged())
    banner_.show_text(Banner::Kind::Warning, tr("A recipe of stages is launched, not queued."));
  else
    return false;
  return true;
}

void QueuePanel::add_recipe() {
  if (refused()) return;
  const Recipe& recipe = workspace_.recipe();
  const QString name = path_text(named_place(recipe.output_dir).filename());
  const auto added = workspace_.queue().add({{recipe, name}}, kGroup);
  if (!added) banner_.show_error(added.error());
}

void QueuePanel::sweep() {
  if (refused()) return;
  auto* dialog = new SweepDialog(workspace_, workspace_.recipe(), this);
  connect(dialog, &SweepDialog::queued, this, [this](const QString& tag) { emit swept(tag); });
  dialog->show();
}

void QueuePanel::tag_run(std::uint64_t id) {
  const QueuedRun* run = workspace_.queue().find(id);
  if (!run || !run->group.startsWith(SweepDialog::tag_of({}))) return;
  in_background_of(
      this,
      [folder = std::filesystem::path(run->recipe.output_dir), tag = run->group.toStdString()] {
        return RunFolder::open(folder) ? add_tag(folder, tag) : Status();
      },
      [this](const Status& tagged) {
        if (!tagged) banner_.show_error(tagged.error());
      },
      note_writer());
}

}  // namespace luthier
