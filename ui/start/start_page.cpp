// SPDX-License-Identifier: GPL-3.0-or-later
// Composition of the Start page. Folders of runs and the machine's cards are looked at in worker
// threads.
#include "ui/start/start_page.h"

#include <QDir>
#include <QFileDialog>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QLabel>
#include <QPushButton>
#include <QScrollArea>
#include <QVBoxLayout>
#include <algorithm>

#include "ui/background.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/messages.h"
#include "ui/start/row_button.h"
#include "ui/start/teaching_start.h"
#include "ui/theme.h"
#include "ui/widgets/banner.h"
#include "ui/widgets/card.h"

namespace luthier {

namespace {

constexpr int kShown = 4;  // of each list
const QString kRunsFolder = QStringLiteral("runs");

QString clean_folder(const QString& folder) {
  return QDir::cleanPath(QFileInfo(folder).absoluteFilePath());
}

/// The newest of all runs in these folders.
std::vector<RunSummary> newest_runs(const QStringList& folders) {
  std::vector<RunSummary> all;
  for (const QString& folder : folders)
    for (RunSummary& run : list_runs(to_path(folder)))
      if (run.problem.empty()) all.push_back(std::move(run));
  std::stable_sort(all.begin(), all.end(), [](const RunSummary& a, const RunSummary& b) {
    return a.manifest.updated > b.manifest.updated;
  });
  if (all.size() > kShown) all.resize(kShown);
  return all;
}

bool may_go_on(const RunSummary& run) {
  const RunState state = run.manifest.state;
  return (state == RunState::Interrupted || state == RunState::Stopped) && !run.active &&
         run.newest_checkpoint;
}

}  // namespace

StartPage::StartPage(Workspace& workspace, QWidget* parent) : Page(workspace, parent) {
  auto* outer = make_layout();
  banner_ = new Banner(this);
  outer->addWidget(banner_);
  auto* scroll = new QScrollArea(this);
  scroll->setObjectName(QStringLiteral("startScroll"));
  scroll->setWidgetResizable(true);
  scroll->setFrameShape(QFrame::NoFrame);
  scroll->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
  auto* inside = new QWidget(scroll);
  QWidget* read = readable_column(inside);
  auto* column = new QVBoxLayout(read);
  column->setContentsMargins(4, 0, 4, 4);
  column->setSpacing(12);
  title_ = new QLabel(read);
  title_->setFont(scaled_font(1.5, true));
  column->addWidget(title_);
  machine_ = muted_label(read, 1.0);
  machine_->setObjectName(QStringLiteral("machineLabel"));
  column->addWidget(machine_);
  column->addWidget(make_tour(read));
  column->addLayout(make_tasks(read));
  column->addLayout(make_recent(read));
  column->addStretch(1);
  scroll->setWidget(inside);
  scroll->viewport()->setAutoFillBackground(false);
  inside->setAutoFillBackground(false);
  outer->addWidget(scroll, 1);
  connect(&bridge(), &SessionBridge::state_changed, this, &StartPage::refresh);
  connect(&workspace, &Workspace::model_changed, this, &StartPage::fill);
  connect(&bridge(), &SessionBridge::run_ended, this, [this] {
    if (isVisible()) look_for_runs();
  });
  connect(&bridge(), &SessionBridge::command_failed, this, [this](const CommandFailed& event) {
    if (event.command == "load_model" && isVisible()) banner_->show_error(event.error);
  });
  on_language(this, [this] { retranslate(); });
}

QWidget* StartPage::make_tour(QWidget* parent) {
  tour_ = new Card(parent);
  auto* row = new QHBoxLayout;
  tour_about_ = text_label(tour_, true);
  row->addWidget(tour_about_, 1);
  start_tour_ = new QPushButton(tour_);
  start_tour_->setObjectName(QStringLiteral("startTour"));
  start_tour_->setDefault(true);
  start_tour_->setMinimumSize(120, 32);
  row->addWidget(start_tour_, 0, Qt::AlignBottom);
  tour_->body()->addLayout(row);
  connect(start_tour_, &QPushButton::clicked, this, &StartPage::tour_asked);
  return tour_;
}

QLayout* StartPage::make_tasks(QWidget* parent) {
  auto* row = new QHBoxLayout;
  row->setSpacing(12);
  const auto tasks = teaching_tasks();
  if (!tasks) return row;  // an installation without them has no such cards
  for (const TeachingTask& task : *tasks) {
    TaskCard shown{task, new Card(parent), nullptr, nullptr, nullptr};
    const QString name = QString::fromStdString(task.name);
    shown.about = text_label(shown.card, true);
    shown.card->body()->addWidget(shown.about, 1);
    auto* buttons = new QHBoxLayout;
    shown.train = new QPushButton(shown.card);
    shown.train->setObjectName(QStringLiteral("trainTask_") + name);
    shown.set_up = new QPushButton(shown.card);
    shown.set_up->setObjectName(QStringLiteral("setUpTask_") + name);
    shown.set_up->setFlat(true);
    buttons->addWidget(shown.train);
    buttons->addWidget(shown.set_up);
    buttons->addStretch(1);
    shown.card->body()->addLayout(buttons);
    connect(shown.train, &QPushButton::clicked, this, [this, task] { begin(task, true); });
    connect(shown.set_up, &QPushButton::clicked, this, [this, task] { begin(task, false); });
    row->addWidget(shown.card, 1);
    tasks_.push_back(shown);
  }
  return row;
}

Card* StartPage::make_list(const QString& name, QWidget* parent) {
  auto* card = new Card(parent);
  card->setObjectName(name);
  card->body()->setSpacing(0);
  card->body()->addStretch(1);
  return card;
}

QLayout* StartPage::make_recent(QWidget* parent) {
  auto* row = new QHBoxLayout;
  row->setSpacing(12);
  models_ = make_list(QStringLiteral("recentModels"), parent);
  recipes_ = make_list(QStringLiteral("recentRecipes"), parent);
  runs_ = make_list(QStringLiteral("recentRuns"), parent);
  open_model_ = new QPushButton(models_);
  open_model_->setObjectName(QStringLiteral("startOpenModel"));
  open_recipe_ = new QPushButton(recipes_);
  open_recipe_->setObjectName(QStringLiteral("startOpenRecipe"));
  for (QPushButton* open : {open_model_, open_recipe_}) {
    auto* body = static_cast<Card*>(open->parentWidget())->body();
    body->addSpacing(8);
    body->addWidget(open);
  }
  connect(open_model_, &QPushButton::clicked, this, &StartPage::open_model_asked);
  connect(open_recipe_, &QPushButton::clicked, this, &StartPage::choose_recipe);
  for (Card* card : {models_, recipes_, runs_}) row->addWidget(card, 1);
  return row;
}

void StartPage::begin(const TeachingTask& task, bool launch) {
  banner_->dismiss();
  const Status set = launch ? set_up_task(workspace(), task, kRunsFolder)
                            : open_task(workspace(), task, kRunsFolder);
  if (!set) return banner_->show_error(set.error());
  emit go_to(PageId::Train);
  // The launch loads the model by itself.
  if (launch) workspace().launch();
}

void StartPage::open_recipe(const QString& file) {
  banner_->dismiss();
  if (const Status opened = workspace().open_recipe(file); !opened)
    return banner_->show_error(opened.error());
  const QString model = QString::fromStdString(workspace().recipe().model);
  const auto& loaded = workspace().model();
  const bool stands =
      loaded && clean_folder(path_text(loaded->summary.folder)) == clean_folder(model);
  if (!model.isEmpty() && !stands && can_load(workspace().state())) workspace().load_model(model);
  emit go_to(PageId::Train);
}

void StartPage::choose_recipe() {
  const QString file =
      QFileDialog::getOpenFileName(this, tr("Load a recipe"), {}, tr("Recipes (*.yaml *.yml)"));
  if (!file.isEmpty()) open_recipe(file);
}

void StartPage::entered() {
  fill();
  look_for_runs();
  if (words_) return;
  in_background_of(
      this, [] { return machine_words(); },
      [this](MachineWords words) {
        words_ = std::move(words);
        retranslate();
      });
}

void StartPage::look_for_runs() {
  const QStringList known = workspace().recent_run_folders() + QStringList(kRunsFolder);
  QStringList folders;
  for (const QString& folder : known)
    if (const QString whole = clean_folder(folder); !folders.contains(whole)) folders << whole;
  in_background_of(
      this, [folders] { return newest_runs(folders); },
      [this, ticket = ++ticket_](std::vector<RunSummary> runs) {
        if (ticket_ != ticket) return;
        found_runs_ = std::move(runs);
        fill();
      });
  workspace().find_elsewhere(this, [this](std::vector<FoundElsewhere> found) {
    found_elsewhere_ = std::move(found);
    fill();
  });
}

void StartPage::clear_list(Card* card) {
  std::erase_if(rows_, [card](QWidget* row) {
    if (row->parentWidget() != card) return false;
    row->hide();
    row->setParent(nullptr);  // its name is free at once
    row->deleteLater();
    return true;
  });
}

void StartPage::add_row(Card* card, const QString& name, const QString& detail, const QString& tip,
                        std::function<void()> run, QPushButton* beside) {
  auto* holder = new QWidget(card);
  auto* row = new QHBoxLayout(holder);
  row->setContentsMargins(0, 0, 0, 0);
  auto* button = new RowButton(name, detail, holder);
  const auto at = std::count_if(rows_.begin(), rows_.end(),
                                [card](QWidget* each) { return each->parentWidget() == card; });
  button->setObjectName(QStringLiteral("%1_%2").arg(card->objectName()).arg(at));
  button->setToolTip(tip);
  button->setEnabled(static_cast<bool>(run));
  row->addWidget(button, 1);
  if (beside) {
    beside->setObjectName(button->objectName() + QStringLiteral("_resume"));
    row->addWidget(beside);
  }
  connect(button, &QAbstractButton::clicked, this, [run = std::move(run)] { run(); });
  card->body()->insertWidget(static_cast<int>(at), holder);
  rows_.push_back(holder);
  holder->show();
}

void StartPage::add_nothing(Card* card, const QString& text) {
  QLabel* label = muted_label(card);
  label->setText(text);
  card->body()->insertWidget(0, label);
  rows_.push_back(label);
  label->show();
}

void StartPage::fill() {
  fill_models();
  fill_recipes();
  fill_runs();
  refresh();
}

void StartPage::fill_models() {
  clear_list(models_);
  int shown = 0;
  for (const QString& folder : workspace().recent_models()) {
    if (shown == kShown) break;
    if (!QFileInfo(folder).isDir()) continue;
    ++shown;
    add_row(models_, model_name(to_path(folder)), shown_path(folder), folder, [this, folder] {
      if (!can_load(workspace().state())) return;
      workspace().load_model(folder);
      emit go_to(PageId::Model);
    });
  }
  if (shown == 0) add_nothing(models_, tr("What you load stands here the next time."));
}

void StartPage::fill_recipes() {
  clear_list(recipes_);
  int shown = 0;
  for (const QString& file : workspace().recent_recipes()) {
    if (shown == kShown) break;
    const QFileInfo info(file);
    if (!info.isFile()) continue;
    ++shown;
    add_row(recipes_, info.fileName(), shown_path(info.path()), file,
            [this, file] { open_recipe(file); });
  }
  if (shown == 0) add_nothing(recipes_, tr("Recipes that you open or save stand here."));
}

/// What goes on stands before what has ended.
void StartPage::fill_elsewhere() {
  for (const FoundElsewhere& run : found_elsewhere_) {
    const QString host = QString::fromStdString(run.place.host);
    auto* attach = new QPushButton(tr("Attach"), this);
    attach->setAccessibleName(tr("Attach to %1").arg(run.name));
    attach->setToolTip(
        tr("Takes the run in hand: its curves from the beginning, and its controls"));
    const auto take = [this, run] {
      workspace().attach_run(run);
      emit go_to(PageId::Train);
    };
    connect(attach, &QPushButton::clicked, this, take);
    const QString detail =
        host.isEmpty() ? tr("still running") : tr("on %1, to be found").arg(host);
    add_row(runs_, run.name, detail, host.isEmpty() ? path_text(run.output) : host, take, attach);
  }
}

void StartPage::fill_runs() {
  clear_list(runs_);
  fill_elsewhere();
  for (const RunSummary& run : found_runs_) {
    const bool listed = std::any_of(
        found_elsewhere_.begin(), found_elsewhere_.end(), [&](const FoundElsewhere& each) {
          return !each.output.empty() &&
                 clean_folder(path_text(each.output)) == clean_folder(path_text(run.path));
        });
    if (listed) continue;
    const QString folder = path_text(run.path);
    const QString detail = tr("%1 · step %2 of %3")
                               .arg(state_text(run_state_name(run.manifest.state)))
                               .arg(run.manifest.step)
                               .arg(run.manifest.total_steps);
    QPushButton* resume = nullptr;
    if (may_go_on(run)) {
      resume = new QPushButton(tr("Resume"), this);
      resume->setAccessibleName(tr("Resume %1").arg(QString::fromStdString(run.name)));
      connect(resume, &QPushButton::clicked, this, [this, folder] { emit resume_asked(folder); });
    }
    add_row(
        runs_, QString::fromStdString(run.name), detail, folder,
        [this, folder] { emit run_asked(folder); }, resume);
  }
  if (found_runs_.empty() && found_elsewhere_.empty())
    add_nothing(runs_, tr("Runs stand here once you have trained one."));
}

void StartPage::refresh() {
  const SessionState state = workspace().state();
  for (const TaskCard& shown : tasks_) {
    shown.train->setEnabled(can_launch(state));
    shown.set_up->setEnabled(can_load(state));
  }
  open_model_->setEnabled(can_load(state));
  open_recipe_->setEnabled(!can_stop(state));
  for (auto* row : models_->findChildren<RowButton*>()) row->setEnabled(can_load(state));
  for (QPushButton* resume : runs_->findChildren<QPushButton*>())
    resume->setEnabled(can_launch(state));
}

void StartPage::retranslate() {
  title_->setText(tr("Begin here"));
  if (!words_) {
    machine_->setText(tr("Looking at what this machine trains on…"));
  } else if (!words_->card.empty()) {
    machine_->setText(
        tr("This machine trains on %1 (%2).")
            .arg(QString::fromStdString(words_->card), bytes_text(words_->card_bytes)));
  } else {
    QString text = tr("There is no GPU here that Luthier can use: this machine trains on its "
                      "processor (%n cores, %1 of memory). The tour and the tasks below are made "
                      "for that. Larger models are slow there; before anything starts, the Train "
                      "page says whether one fits.",
                      nullptr, words_->cores)
                       .arg(bytes_text(words_->bytes));
    if (!words_->note.empty()) text += QLatin1Char('\n') + said_text(words_->note);
    machine_->setText(text);
  }
  tour_->set_title(tr("Guided tour"));
  tour_about_->setText(
      tr("A small model learns something new in front of you, and each curve is "
         "explained as it moves. It takes two or three minutes and downloads "
         "nothing."));
  start_tour_->setText(tr("Start the &tour"));
  const std::string language = Language::instance().code().toStdString();
  for (const TaskCard& shown : tasks_) {
    const QString title = QString::fromStdString(shown.task.title(language));
    shown.card->set_title(title);
    shown.about->setText(QString::fromStdString(shown.task.description(language)));
    shown.train->setText(tr("Train it"));
    shown.train->setAccessibleName(tr("Train it: %1").arg(title));
    shown.train->setToolTip(tr("Loads the teaching model and begins at once"));
    shown.set_up->setText(tr("Only set it up"));
    shown.set_up->setAccessibleName(tr("Only set it up: %1").arg(title));
    shown.set_up->setToolTip(tr("Fills in the settings, which you may change before the launch"));
  }
  models_->set_title(tr("Models"));
  recipes_->set_title(tr("Recipes"));
  runs_->set_title(tr("Runs"));
  open_model_->setText(tr("Open a &model folder…"));
  open_recipe_->setText(tr("&Open a recipe…"));
  fill();
}

}  // namespace luthier
