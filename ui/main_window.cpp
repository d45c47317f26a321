// SPDX-License-Identifier: GPL-3.0-or-later
// Putting the frame together.
#include "ui/main_window.h"

#include <QAction>
#include <QApplication>
#include <QCloseEvent>
#include <QFileDialog>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QScreen>
#include <QSettings>
#include <QStackedWidget>
#include <QTimer>
#include <QVBoxLayout>
#include <algorithm>
#include <map>
#include <utility>

#include "ui/compare/compare_page.h"
#include "ui/data/data_page.h"
#include "ui/desk/recipe_history.h"
#include "ui/desk/shortcuts.h"
#include "ui/desk/text_size.h"
#include "ui/format.h"
#include "ui/help/help_window.h"
#include "ui/lab/lab_page.h"
#include "ui/language.h"
#include "ui/merge/merge_page.h"
#include "ui/methods/methods_page.h"
#include "ui/model/model_page.h"
#include "ui/nav_rail.h"
#include "ui/ranks/rank_page.h"
#include "ui/run_header.h"
#include "ui/runs/runs_page.h"
#include "ui/start/start_page.h"
#include "ui/status_line.h"
#include "ui/stop_question.h"
#include "ui/theme.h"
#include "ui/tour/tour.h"
#include "ui/train/train_page.h"
#include "ui/widgets/banner.h"

namespace luthier {

namespace {
constexpr QSize kUsualSize(1280, 800), kSmallest(960, 640);
constexpr QSize kFrame(8, 40);  // what a window manager puts around it, before that is known
}  // namespace

MainWindow::MainWindow(QWidget* parent)
    : QMainWindow(parent), workspace_(std::make_unique<Workspace>()) {
  setWindowIcon(QIcon(QStringLiteral(":/icons/luthier.svg")));
  auto* centre = new QWidget(this);
  setCentralWidget(centre);
  auto* across = new QHBoxLayout(centre);
  across->setContentsMargins(0, 0, 0, 0);
  across->setSpacing(0);
  rail_ = new NavRail(centre);
  across->addWidget(rail_);
  auto* down = new QVBoxLayout;
  down->setSpacing(0);
  across->addLayout(down, 1);
  auto* header = new RunHeader(*workspace_, centre);
  down->addWidget(header);
  stack_ = new QStackedWidget(centre);
  down->addWidget(stack_, 1);
  down->addWidget(new StatusLine(*workspace_, centre));

  pages_ = {new ModelPage(*workspace_, stack_), new DataPage(*workspace_, stack_),
            new TrainPage(*workspace_, stack_), new ComparePage(*workspace_, stack_),
            new RunsPage(*workspace_, stack_),  new MethodsPage(*workspace_, stack_),
            new MergePage(*workspace_, stack_), new RankPage(*workspace_, stack_),
            new LabPage(*workspace_, stack_),   new StartPage(*workspace_, stack_)};
  const char* names[] = {"modelPage",   "dataPage",  "trainPage", "comparePage", "runsPage",
                         "methodsPage", "mergePage", "rankPage",  "labPage",     "startPage"};
  for (int i = 0; i < kPageCount; ++i) {
    Page* page = pages_[static_cast<std::size_t>(i)];
    page->setObjectName(QLatin1String(names[i]));
    stack_->addWidget(page);
    connect(page, &Page::waits, this, [this, i] {
      if (stack_->currentIndex() != i) rail_->set_dot(i, true);
    });
    connect(page, &Page::go_to, this, &MainWindow::show_page);
  }
  connect(rail_, &NavRail::chosen, this, [this](int i) { show_page(static_cast<PageId>(i)); });
  connect(rail_, &NavRail::help_asked, this, [this](const QString& what) {
    if (what == QLatin1String("tour")) return start_tour();
    what == QLatin1String("help") ? show_help() : show_shortcuts();
  });
  auto* start = static_cast<StartPage*>(page(PageId::Start));
  connect(start, &StartPage::tour_asked, this, &MainWindow::start_tour);
  connect(start, &StartPage::open_model_asked, this, &MainWindow::open_folder);
  connect(start, &StartPage::resume_asked, this, &MainWindow::resume_when_free);
  connect(start, &StartPage::run_asked, this, [this](const QString& folder) {
    static_cast<RunsPage*>(page(PageId::Runs))->set_folder(QFileInfo(folder).path());
    show_page(PageId::Runs);
  });
  connect(header, &RunHeader::launch_asked, this, &MainWindow::launch);
  connect(header, &RunHeader::stop_asked, this, &MainWindow::ask_stop);
  offer_ = new Banner(centre);
  offer_->setObjectName(QStringLiteral("interruptedOffer"));
  offer_->float_over(stack_);
  connect(offer_, &Banner::dismissed, this, &MainWindow::tell_next, Qt::QueuedConnection);
  connect(workspace_.get(), &Workspace::interrupted_found, this, &MainWindow::offer_interrupted);
  connect(workspace_.get(), &Workspace::run_started, this,
          [this] { offer_->dismiss_about(QStringLiteral("interrupted")); });
  connect(workspace_.get(), &Workspace::run_ended, this, [this](const RunEnded& event) {
    // Closing waited for this. What went wrong in saving is said first.
    if (event.error) return stay();
    if (std::exchange(closing_, false)) QTimer::singleShot(0, this, &QWidget::close);
  });
  connect(workspace_.get(), &Workspace::launch_refused, this, &MainWindow::stay);
  connect(&workspace_->bridge(), &SessionBridge::state_changed, this, [this](SessionState state) {
    // Nothing is left to be asked about.
    if (can_stop(state)) return;
    if (auto* asked = findChild<StopQuestion*>(); asked && asked->isVisible()) asked->reject();
  });
  make_shortcuts();
  on_language(this, [this] { setWindowTitle(tr("Luthier")); });
  const QSize room = screen() ? screen()->availableSize() : kUsualSize + kFrame;
  setMinimumSize(kSmallest.boundedTo(first_size(room)));
  resize(first_size(room));
  const QByteArray geometry = QSettings().value(QStringLiteral("geometry")).toByteArray();
  if (!geometry.isEmpty()) restoreGeometry(geometry);
  show_page(PageId::Model);
}

MainWindow::~MainWindow() {
  // Pages refer to the workspace: they go first.
  delete takeCentralWidget();
}

QSize MainWindow::first_size(const QSize& available) {
  return kUsualSize.boundedTo(available - kFrame);
}

PageId MainWindow::current() const { return static_cast<PageId>(stack_->currentIndex()); }

void MainWindow::show_page(PageId id) {
  const int index = static_cast<int>(id);
  stack_->setCurrentIndex(index);
  rail_->set_current(index);
  rail_->set_dot(index, false);
  page(id)->entered();
  emit page_shown(id);
}

void MainWindow::show_queue() {
  show_page(PageId::Runs);
  static_cast<RunsPage*>(page(PageId::Runs))->show_queue();
}

void MainWindow::tell(std::function<void(Banner&)> show) {
  to_tell_.push_back(std::move(show));
  if (!offer_->isVisibleTo(offer_->parentWidget())) tell_next();
}

void MainWindow::tell_next() {
  // What there is no more to say says nothing.
  while (!to_tell_.empty() && !offer_->isVisibleTo(offer_->parentWidget())) {
    const auto show = std::move(to_tell_.front());
    to_tell_.pop_front();
    show(*offer_);
  }
}

void MainWindow::make_shortcuts() {
  std::map<std::string, std::function<void()>> what{
      {"open_model", [this] { open_folder(); }},
      {"undo", [this] { workspace_->history().undo(); }},
      {"redo", [this] { workspace_->history().redo(); }},
      {"launch", [this] { launch(); }},
      {"pause",
       [this] {
         if (can_pause(workspace_->state()))
           workspace_->session().pause();
         else if (can_resume(workspace_->state()))
           workspace_->session().resume();
       }},
      {"help", [this] { show_help(); }},
      {"shortcuts", [this] { show_shortcuts(); }},
      {"larger", [] { change_text_size(1); }},
      {"smaller", [] { change_text_size(-1); }},
      {"usual_size", [] { change_text_size(0); }},
      {"projector", [] { choose_projector(!Theme::instance().projector()); }},
  };
  // "page_model" is the button's name in the rail.
  for (int i = 0; i < kPageCount; ++i)
    what["page_" + rail_->page_name(i)] = [this, i] { show_page(static_cast<PageId>(i)); };
  for (const Shortcut& shortcut : shortcuts()) {
    const auto run = what.find(shortcut.id);
    if (run == what.end()) continue;  // whoever does it has made it
    auto* action = new QAction(this);
    action->setObjectName(QStringLiteral("shortcut_") + QString::fromStdString(shortcut.id));
    action->setShortcut(shortcut.keys);
    connect(action, &QAction::triggered, this, run->second);
    addAction(action);
  }
}

void MainWindow::show_shortcuts() {
  auto* open = findChild<ShortcutDialog*>();
  if (!open) open = new ShortcutDialog(this);
  open->show();
  open->raise();
  open->activateWindow();
}

void MainWindow::show_help() {
  if (!help_) help_ = new HelpWindow(this);
  // What had the keyboard in this window, also while another one is in front.
  const QWidget* focused = focusWidget();
  help_->show_for(focused && focused->isVisible() ? focused : nullptr, current());
}

void MainWindow::start_tour() {
  if (!tour_) tour_ = new Tour(*this);
  tour_->start();
}

void MainWindow::launch() {
  if (!can_launch(workspace_->state())) return;
  show_page(PageId::Train);
  workspace_->launch();
}

void MainWindow::open_folder() {
  if (!can_load(workspace_->state())) return;
  show_page(PageId::Model);
  const QString folder = QFileDialog::getExistingDirectory(this, tr("Open a model folder"));
  if (!folder.isEmpty()) workspace_->load_model(folder);
}

void MainWindow::ask_stop() {
  StopQuestion* question = StopQuestion::of(this);
  if (question->isVisible()) {
    question->raise();
    return;
  }
  connect(question, &StopQuestion::decided, this, [this](StopKind kind) {
    if (can_stop(workspace_->state())) workspace_->session().stop(kind);
  });
  connect(question, &StopQuestion::left, this, [this] {
    if (workspace_->session().run_elsewhere()) workspace_->session().leave_run();
  });
  question->offer_leaving(workspace_->session().run_elsewhere().has_value());
  connect(question, &QDialog::rejected, this, &MainWindow::stay);
  question->open();
}

void MainWindow::stay() {
  if (std::exchange(closing_, false)) emit stays();
}

void MainWindow::showEvent(QShowEvent* event) {
  QMainWindow::showEvent(event);
  if (std::exchange(shown_, true)) return;
  // By then it is known what the program was started with.
  QTimer::singleShot(0, this, [this] {
    if (!quiet_) workspace_->find_interrupted();
  });
}

void MainWindow::offer_interrupted(const RunSummary& run) {
  tell([this, run](Banner& banner) {
    if (can_stop(workspace_->state())) return;  // another run trains meanwhile
    const RunManifest& manifest = run.manifest;
    banner.show_text(Banner::Kind::Info,
                     tr("The run “%1” was interrupted at step %2 of %3. It can go on from step %4.")
                         .arg(QString::fromStdString(run.name))
                         .arg(std::max(manifest.step, *run.newest_checkpoint))
                         .arg(manifest.total_steps)
                         .arg(*run.newest_checkpoint));
    banner.set_about(QStringLiteral("interrupted"));
    banner.setToolTip(path_text(run.path));
    banner.offer(tr("Resume"), [this, folder = path_text(run.path)] { resume_when_free(folder); });
    banner.offer(tr("Not now"), [this, run] { workspace_->decline_interrupted(run); });
  });
}

void MainWindow::resume_when_free(const QString& folder) {
  show_page(PageId::Train);
  if (workspace_->state() != SessionState::Loading) {
    workspace_->resume_run(folder);
    return;
  }
  auto* once = new QObject(this);
  connect(&workspace_->bridge(), &SessionBridge::state_changed, once,
          [this, once, folder](SessionState state) {
            if (state == SessionState::Loading) return;
            once->deleteLater();
            if (can_launch(state)) workspace_->resume_run(folder);
          });
}

void MainWindow::closeEvent(QCloseEvent* event) {
  QSettings().setValue(QStringLiteral("geometry"), saveGeometry());
  // A run elsewhere goes on without this window.
  const bool elsewhere = workspace_->session().run_elsewhere().has_value();
  if (elsewhere || !can_stop(workspace_->state())) {
    if (!elsewhere) workspace_->cancel_loading();  // nobody waits for it any more
    event->accept();
    return;
  }
  event->ignore();
  closing_ = true;
  ask_stop();
}

}  // namespace luthier
