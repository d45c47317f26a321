// SPDX-License-Identifier: GPL-3.0-or-later
// Putting the frame together.
#include "ui/main_window.h"

#include <QAction>
#include <QCloseEvent>
#include <QFileDialog>
#include <QHBoxLayout>
#include <QSettings>
#include <QStackedWidget>
#include <QVBoxLayout>

#include "ui/compare/compare_page.h"
#include "ui/data/data_page.h"
#include "ui/language.h"
#include "ui/model/model_page.h"
#include "ui/nav_rail.h"
#include "ui/run_header.h"
#include "ui/runs/runs_page.h"
#include "ui/status_line.h"
#include "ui/stop_question.h"
#include "ui/theme.h"
#include "ui/train/train_page.h"

namespace luthier {

MainWindow::MainWindow(QWidget* parent) : QMainWindow(parent), workspace_(std::make_unique<Workspace>()) {
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

  pages_ = {new ModelPage(*workspace_, stack_), new DataPage(*workspace_, stack_), new TrainPage(*workspace_, stack_),
            new ComparePage(*workspace_, stack_), new RunsPage(*workspace_, stack_)};
  const char* names[] = {"modelPage", "dataPage", "trainPage", "comparePage", "runsPage"};
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
  make_shortcuts();
  on_language(this, [this] { setWindowTitle(tr("Luthier")); });
  setMinimumSize(960, 640);
  resize(1280, 800);
  const QByteArray geometry = QSettings().value(QStringLiteral("geometry")).toByteArray();
  if (!geometry.isEmpty()) restoreGeometry(geometry);
  show_page(PageId::Model);
}

MainWindow::~MainWindow() {
  // Pages refer to the workspace: they go first.
  delete takeCentralWidget();
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
    shortcut(QKeySequence(Qt::CTRL | static_cast<Qt::Key>(Qt::Key_1 + i)), [this, i] { show_page(static_cast<PageId>(i)); });
  shortcut(QKeySequence::Open, [this] { open_folder(); });
  shortcut(QKeySequence(Qt::Key_F5), [this] { launch(); });
  shortcut(QKeySequence(Qt::Key_F6), [this] {
    if (can_pause(workspace_->state())) workspace_->session().pause();
    else if (can_resume(workspace_->state())) workspace_->session().resume();
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

void MainWindow::closeEvent(QCloseEvent* event) {
  QSettings().setValue(QStringLiteral("geometry"), saveGeometry());
  if (!can_stop(workspace_->state())) {
    event->accept();
    return;
  }
  event->ignore();
  auto* question = new StopQuestion(this);
  connect(question, &StopQuestion::decided, this, [this](StopKind kind) {
    connect(workspace_.get(), &Workspace::run_ended, this, &QWidget::close, Qt::QueuedConnection);
    if (can_stop(workspace_->state())) workspace_->session().stop(kind);
  });
  question->open();
}

}  // namespace luthier
