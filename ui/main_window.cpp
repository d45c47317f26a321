// SPDX-License-Identifier: GPL-3.0-or-later
// Putting the frame together.
#include "ui/main_window.h"

#include <QAction>
#include <QCloseEvent>
#include <QFileDialog>
#include <QHBoxLayout>
#include <QScreen>
#include <QSettings>
#include <QStackedWidget>
#include <QTimer>
#include <QVBoxLayout>
#include <algorithm>
#include <utility>

#include "ui/compare/compare_page.h"
#include "ui/data/data_page.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/merge/merge_page.h"
#include "ui/methods/methods_page.h"
#include "ui/model/model_page.h"
#include "ui/nav_rail.h"
#include "ui/ranks/rank_page.h"
#include "ui/run_header.h"
#include "ui/runs/runs_page.h"
#include "ui/status_line.h"
#include "ui/stop_question.h"
#include "ui/theme.h"
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
            new MergePage(*workspace_, stack_), new RankPage(*workspace_, stack_)};
  const char* names[] = {"modelPage", "dataPage",    "trainPage", "comparePage",
                         "runsPage",  "methodsPage", "mergePage", "rankPage"};
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
  connect(header, &RunHeader::launch_asked, this, &MainWindow::launch);
  connect(header, &RunHeader::stop_asked, this, &MainWindow::ask_stop);
  offer_ = new Banner(centre);
  offer_->setObjectName(QStringLiteral("interruptedOffer"));
  offer_->float_over(stack_);
  connect(workspace_.get(), &Workspace::interrupted_found, this, &MainWindow::offer_interrupted);
  connect(workspace_.get(), &Workspace::run_started, offer_, &Banner::dismiss);
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
}

void MainWindow::make_shortcuts() {
  const auto shortcut = [this](const QKeySequence& keys, auto&& run) {
    auto* action = new QAction(this);
    action->setShortcut(keys);
    connect(action, &QAction::triggered, this, run);
    addAction(action);
  };
  for (int i = 0; i < kPageCount; ++i)
    shortcut(QKeySequence(Qt::CTRL | static_cast<Qt::Key>(Qt::Key_1 + i)),
             [this, i] { show_page(static_cast<PageId>(i)); });
  shortcut(QKeySequence::Open, [this] { open_folder(); });
  shortcut(QKeySequence(Qt::Key_F5), [this] { launch(); });
  shortcut(QKeySequence(Qt::Key_F6), [this] {
    if (can_pause(workspace_->state()))
      workspace_->session().pause();
    else if (can_resume(workspace_->state()))
      workspace_->session().resume();
  });
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
  const RunManifest& manifest = run.manifest;
  offer_->show_text(Banner::Kind::Info,
                    tr("The run “%1” was interrupted at step %2 of %3. It can go on from step %4.")
                        .arg(QString::fromStdString(run.name))
                        .arg(std::max(manifest.step, *run.newest_checkpoint))
                        .arg(manifest.total_steps)
                        .arg(*run.newest_checkpoint));
  offer_->setToolTip(path_text(run.path));
  offer_->offer(tr("Resume"), [this, folder = path_text(run.path)] { resume_when_free(folder); });
  offer_->offer(tr("Not now"), [this, run] { workspace_->decline_interrupted(run); });
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
  if (!can_stop(workspace_->state())) {
    workspace_->cancel_loading();  // nobody waits for it any more
    event->accept();
    return;
  }
  event->ignore();
  closing_ = true;
  ask_stop();
}

}  // namespace luthier
