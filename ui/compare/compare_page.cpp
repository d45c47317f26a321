// SPDX-License-Identifier: GPL-3.0-or-later
// Composition of the Compare page.
#include "ui/compare/compare_page.h"

#include <QComboBox>
#include <QDir>
#include <QFileDialog>
#include <QHBoxLayout>
#include <QLabel>
#include <QMenu>
#include <QPointer>
#include <QPushButton>
#include <QSaveFile>
#include <QSpinBox>
#include <QStackedWidget>
#include <QThreadPool>
#include <QToolButton>
#include <QVBoxLayout>

#include "ui/compare/compare_export.h"
#include "ui/compare/compare_grid.h"
#include "ui/compare/comparison.h"
#include "ui/compare/sample_file.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/theme.h"
#include "ui/widgets/banner.h"
#include "ui/widgets/card.h"
#include "ui/widgets/empty_state.h"

namespace luthier {

ComparePage::ComparePage(Workspace& workspace, QWidget* parent) : Page(workspace, parent) {
  comparison_ = new Comparison(workspace, this);
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(12, 12, 12, 12);
  layout->setSpacing(8);
  layout->addWidget(make_head());
  banner_ = new Banner(this);
  layout->addWidget(banner_);
  stack_ = new QStackedWidget(this);
  empty_ = new EmptyState(QStringLiteral("compare"), QStringLiteral("emptyCompare"), stack_);
  stack_->addWidget(empty_);
  auto* card = new Card(stack_);
  card->layout()->setContentsMargins(1, 1, 1, 1);
  grid_ = new CompareGrid(workspace, *comparison_, card);
  card->body()->addWidget(grid_);
  stack_->addWidget(card);
  layout->addWidget(stack_, 1);
  layout->addWidget(make_foot());

  connect(comparison_, &Comparison::failed, this, [this](const Error& error) { banner_->show_error(error); });
  connect(comparison_, &Comparison::running_changed, this, &ComparePage::refresh);
  connect(comparison_, &Comparison::samples_changed, this, &ComparePage::refresh);
  connect(comparison_, &Comparison::columns_changed, this, &ComparePage::refresh);
  connect(&workspace, &Workspace::model_changed, this, &ComparePage::refresh);
  connect(&bridge(), &SessionBridge::state_changed, this, &ComparePage::refresh);
  connect(&bridge(), &SessionBridge::command_failed, this, [this](const CommandFailed& event) {
    if (event.command != "attach_adapter" && event.command != "drop_adapter" && event.command != "set_adapter_strength" && event.command != "answer") return;
    banner_->show_error(event.error);
  });
  connect(empty_->button(), &QPushButton::clicked, this, [this] {
    if (!this->workspace().model()) emit go_to(PageId::Model);
    else choose_samples();
  });
  on_language(this, [this] { refresh(); });
}

QWidget* ComparePage::make_head() {
  auto* head = new QWidget(this);
  auto* row = new QHBoxLayout(head);
  row->setContentsMargins(0, 0, 0, 0);
  row->setSpacing(8);
  base_ = text_label(head);
  base_->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
  add_ = new QToolButton(head);
  add_->setObjectName(QStringLiteral("addAdapter"));
  add_->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
  add_->setPopupMode(QToolButton::InstantPopup);
  set_themed_icon(add_, QStringLiteral("plus"));
  add_menu_ = new QMenu(add_);
  add_menu_->setObjectName(QStringLiteral("addAdapterMenu"));
  add_->setMenu(add_menu_);
  connect(add_menu_, &QMenu::aboutToShow, this, &ComparePage::fill_adapter_menu);
  samples_ = new QPushButton(head);
  samples_->setObjectName(QStringLiteral("openSamples"));
  count_ = new QSpinBox(head);
  count_->setObjectName(QStringLiteral("sampleCount"));
  count_->setRange(1, 1000);
  count_->setValue(8);
  seed_ = new QSpinBox(head);
  seed_->setObjectName(QStringLiteral("seed"));
  seed_->setRange(0, 1'000'000);
  seed_->setValue(42);
  sampling_ = new QComboBox(head);
  sampling_->setObjectName(QStringLiteral("sampling"));
  sampling_->addItems({QString(), QStringLiteral("T 0.7"), QStringLiteral("T 1.0")});
  most_ = new QSpinBox(head);
  most_->setObjectName(QStringLiteral("maxTokens"));
  most_->setRange(1, 2048);
  most_->setValue(64);
  run_ = new QPushButton(head);
  run_->setObjectName(QStringLiteral("runAll"));
  cancel_ = new QPushButton(head);
  cancel_->setObjectName(QStringLiteral("cancelCompare"));
  export_ = new QToolButton(head);
  export_->setObjectName(QStringLiteral("exportCompare"));
  export_->setPopupMode(QToolButton::InstantPopup);
  set_themed_icon(export_, QStringLiteral("export"));
  auto* menu = new QMenu(export_);
  QAction* html = menu->addAction(QString(), this, [this] { export_as(true); });
  QAction* json = menu->addAction(QString(), this, [this] { export_as(false); });
  export_->setMenu(menu);
  row->addWidget(base_, 1);
  for (QWidget* widget : std::initializer_list<QWidget*>{add_, samples_, count_, seed_, sampling_, most_, run_, cancel_, export_}) row->addWidget(widget);
  connect(samples_, &QPushButton::clicked, this, &ComparePage::choose_samples);
  connect(run_, &QPushButton::clicked, this, &ComparePage::run);
  connect(cancel_, &QPushButton::clicked, comparison_, &Comparison::cancel);
  connect(count_, &QSpinBox::editingFinished, this, [this] {
    if (!file_.isEmpty()) load_samples(file_, static_cast<std::size_t>(count_->value()));
  });
  const auto options = [this] {
    GenerationOptions& o = comparison_->options();
    const double temperatures[] = {0, 0.7, 1};
    const GenerationOptions before = o;
    o.temperature = temperatures[std::max(0, sampling_->currentIndex())];
    o.seed = static_cast<std::uint64_t>(seed_->value());
    o.max_new_tokens = most_->value();
    if (before.temperature != o.temperature || before.seed != o.seed || before.max_new_tokens != o.max_new_tokens) comparison_->forget_all();
  };
  connect(seed_, &QSpinBox::valueChanged, this, options);
  connect(most_, &QSpinBox::valueChanged, this, options);
  connect(sampling_, &QComboBox::currentIndexChanged, this, options);
  on_language(head, [this, html, json] {
    add_->setText(tr("&Adapter"));
    add_->setToolTip(tr("Attach an adapter to the resident base"));
    samples_->setText(tr("&Samples…"));
    samples_->setToolTip(tr("A file of rows; their last answer is the expected one"));
    count_->setSuffix(tr(" samples"));
    count_->setAccessibleName(tr("How many samples"));
    seed_->setPrefix(tr("seed "));
    seed_->setAccessibleName(tr("Seed"));
    sampling_->setItemText(0, tr("greedy"));
    sampling_->setAccessibleName(tr("How tokens are chosen"));
    most_->setPrefix(tr("max "));
    most_->setSuffix(tr(" tokens"));
    most_->setAccessibleName(tr("Most tokens in an answer"));
    run_->setText(tr("Run &all"));
    cancel_->setText(tr("Cancel"));
    export_->setToolTip(tr("Export the comparison"));
    export_->setAccessibleName(tr("Export the comparison"));
    html->setText(tr("As a page (HTML)…"));
    json->setText(tr("As data (JSON)…"));
  });
  return head;
}

QWidget* ComparePage::make_foot() {
  auto* foot = new QWidget(this);
  auto* row = new QHBoxLayout(foot);
  row->setContentsMargins(0, 0, 0, 0);
  QLabel* hint = muted_label(foot, 0.85);
  row->addWidget(hint, 1);
  previous_ = new QToolButton(foot);
  previous_->setObjectName(QStringLiteral("previousSamples"));
  previous_->setArrowType(Qt::LeftArrow);
  page_label_ = text_label(foot);
  next_ = new QToolButton(foot);
  next_->setObjectName(QStringLiteral("nextSamples"));
  next_->setArrowType(Qt::RightArrow);
  for (QWidget* widget : std::initializer_list<QWidget*>{previous_, page_label_, next_}) row->addWidget(widget);
  const auto turn = [this](int by) {
    grid_->show_page(static_cast<std::size_t>(std::max(0, static_cast<int>(grid_->page()) + by)));
    refresh();
  };
  connect(previous_, &QToolButton::clicked, this, [turn] { turn(-1); });
  connect(next_, &QToolButton::clicked, this, [turn] { turn(1); });
  on_language(foot, [this, hint] {
    hint->setText(tr("Hover a token: its probability and the runners-up. Click a column's name: make it the reference. Underlined words differ from it."));
    previous_->setAccessibleName(tr("Previous samples"));
    next_->setAccessibleName(tr("Next samples"));
  });
  return foot;
}

void ComparePage::entered() {
  // The first visit takes held-out rows where the recipe names some.
  const Recipe& recipe = workspace().recipe();
  if (file_.isEmpty() && workspace().model() && !recipe.eval_dataset.empty())
    load_samples(QString::fromStdString(recipe.eval_dataset.front()), static_cast<std::size_t>(count_->value()));
  refresh();
}

void ComparePage::fill_adapter_menu() {
  add_menu_->clear();
  for (const QString& folder : finished_adapters(workspace().recipe())) {
    const QString name = QFileInfo(QFileInfo(folder).absolutePath()).fileName();
    QAction* action = add_menu_->addAction(name, this, [this, folder] { workspace().attach_adapter(folder); });
    action->setToolTip(folder);
  }
  if (!add_menu_->isEmpty()) add_menu_->addSeparator();
  QAction* browse = add_menu_->addAction(tr("Open an adapter's folder…"), this, [this] {
    const QString folder = QFileDialog::getExistingDirectory(this, tr("Open an adapter's folder"));
    if (!folder.isEmpty()) workspace().attach_adapter(folder);
  });
  browse->setObjectName(QStringLiteral("browseAdapter"));
}

void ComparePage::choose_samples() {
  const QString file = QFileDialog::getOpenFileName(this, tr("Open samples"), file_, tr("Rows (*.jsonl *.json)"));
  if (!file.isEmpty()) load_samples(file, static_cast<std::size_t>(count_->value()));
}

void ComparePage::load_samples(const QString& file, std::size_t count) {
  file_ = file;
  count_->setValue(static_cast<int>(count));
  const int ticket = ++loading_;
  QPointer<ComparePage> guard(this);
  const std::filesystem::path pictures = workspace().recipe().image_folder;
  QThreadPool::globalInstance()->start([guard, file, count, ticket, pictures] {
    auto read = read_samples(file, count, pictures);
    QMetaObject::invokeMethod(qApp, [guard, ticket, file, read = std::move(read)]() mutable {
      if (!guard || guard->loading_ != ticket) return;
      if (!read) guard->banner_->show_error(read.error());
      else guard->comparison_->set_samples(read.take(), file);
    }, Qt::QueuedConnection);
  });
}

void ComparePage::run() {
  banner_->dismiss();
  comparison_->run();
}

void ComparePage::export_as(bool html) {
  const QString file = QFileDialog::getSaveFileName(this, tr("Export the comparison"), html ? QStringLiteral("comparison.html") : QStringLiteral("comparison.json"),
                                                    html ? QStringLiteral("HTML (*.html)") : QStringLiteral("JSON (*.json)"));
  if (file.isEmpty()) return;
  const QByteArray bytes = html ? comparison_html(workspace(), *comparison_) : comparison_json(workspace(), *comparison_);
  QSaveFile out(file);
  if (!out.open(QIODevice::WriteOnly) || out.write(bytes) != bytes.size() || !out.commit())
    banner_->show_text(Banner::Kind::Error, tr("%1 could not be written: %2. Choose another folder.").arg(file, out.errorString()));
  else
    banner_->show_text(Banner::Kind::Info, tr("The comparison was written to %1.").arg(file));
}

void ComparePage::refresh() {
  const bool model = workspace().model().has_value(), any = !comparison_->samples().empty();
  stack_->setCurrentIndex(model && any ? 1 : 0);
  if (!model)
    empty_->set_texts(tr("First a model"), tr("Adapters are compared on one base that stays loaded."), tr("Choose a model"));
  else
    empty_->set_texts(tr("No samples yet"), tr("Open a file of rows: every adapter answers the same pictures and questions, next to the base."), tr("Open samples…"));
  base_->setText(model ? tr("base: %1").arg(model_name(workspace().model()->summary.folder)) : QString());
  add_->setEnabled(model && can_answer(workspace().state()));
  run_->setEnabled(model && any && can_answer(workspace().state()) && !comparison_->running());
  run_->setVisible(!comparison_->running());
  cancel_->setVisible(comparison_->running());
  export_->setEnabled(any);
  const std::size_t total = comparison_->samples().size(), first = grid_->page() * CompareGrid::kPerPage;
  page_label_->setText(any ? tr("%1–%2 of %3").arg(first + 1).arg(std::min(first + CompareGrid::kPerPage, total)).arg(total) : QString());
  previous_->setEnabled(grid_->page() > 0);
  next_->setEnabled(grid_->page() + 1 < grid_->page_count());
  for (QWidget* widget : std::initializer_list<QWidget*>{previous_, next_, page_label_}) widget->setVisible(any);
}

}  // namespace luthier
