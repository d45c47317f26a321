// SPDX-License-Identifier: GPL-3.0-or-later
// Composition of the Compare page.
#include "ui/compare/compare_page.h"

#include <QComboBox>
#include <QDir>
#include <QFileDialog>
#include <QHBoxLayout>
#include <QLabel>
#include <QMenu>
#include <QPushButton>
#include <QSpinBox>
#include <QStackedWidget>
#include <QToolButton>
#include <QVBoxLayout>

#include "engine/compare/result_folder.h"
#include "ui/background.h"
#include "ui/compare/compare_grid.h"
#include "ui/compare/document_words.h"
#include "ui/compare/live_comparison.h"
#include "ui/compare/results.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/messages.h"
#include "ui/sample_source.h"
#include "ui/theme.h"
#include "ui/widgets/banner.h"
#include "ui/widgets/card.h"
#include "ui/widgets/empty_state.h"
#include "ui/widgets/pager.h"

namespace luthier {

ComparePage::ComparePage(Workspace& workspace, QWidget* parent) : Page(workspace, parent) {
  comparison_ = new LiveComparison(workspace, this);
  auto* layout = make_layout();
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

  connect(comparison_, &LiveComparison::failed, this, [this](const Error& error) {
    banner_->show_error(error);
    offer_anew(banner_);
  });
  connect(comparison_, &LiveComparison::running_changed, this, &ComparePage::refresh);
  connect(comparison_, &LiveComparison::samples_changed, this, &ComparePage::refresh);
  connect(comparison_, &LiveComparison::columns_changed, this, &ComparePage::refresh);
  connect(&workspace, &Workspace::model_changed, this, &ComparePage::refresh);
  connect(&bridge(), &SessionBridge::state_changed, this, &ComparePage::refresh);
  follow_samples();
  connect(&bridge(), &SessionBridge::command_failed, this, [this](const CommandFailed& event) {
    if (event.command != "attach_adapter" && event.command != "drop_adapter" &&
        event.command != "set_adapter_strength" && event.command != "answer")
      return;
    banner_->show_error(event.error);
    offer_anew(banner_);
  });
  connect(empty_->button(), &QPushButton::clicked, this, [this] {
    if (!this->workspace().model())
      emit go_to(PageId::Model);
    else
      choose_samples();
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
  for (QWidget* widget : std::initializer_list<QWidget*>{add_, samples_, count_, seed_, sampling_,
                                                         most_, run_, cancel_, export_})
    row->addWidget(widget);
  connect(samples_, &QPushButton::clicked, this, &ComparePage::choose_samples);
  connect(run_, &QPushButton::clicked, this, &ComparePage::run);
  connect(cancel_, &QPushButton::clicked, comparison_, &LiveComparison::cancel);
  connect(count_, &QSpinBox::editingFinished, this, [this] {
    // Leaving the field is not a wish to read the file again.
    const SampleSource& source = this->workspace().samples();
    const auto count = static_cast<std::size_t>(count_->value());
    if (source.file().isEmpty() || count == source.asked()) return;
    load_samples(source.file(), count);
  });
  for (QSpinBox* box : {seed_, most_}) {
    box->setKeyboardTracking(false);  // a number half typed drops no answer
    connect(box, &QSpinBox::valueChanged, this, &ComparePage::take_options);
  }
  connect(sampling_, &QComboBox::currentIndexChanged, this, &ComparePage::take_options);
  on_language(head, [this, html, json] {
    add_->setText(tr("&Adapter"));
    add_->setToolTip(tr("Another column: an adapter on the base, or a whole checkpoint beside it"));
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
  reward_ = new QToolButton(foot);
  reward_->setObjectName(QStringLiteral("rewardModel"));
  reward_->setPopupMode(QToolButton::InstantPopup);
  reward_->setToolButtonStyle(Qt::ToolButtonTextOnly);
  reward_menu_ = new QMenu(reward_);
  reward_->setMenu(reward_menu_);
  connect(reward_menu_, &QMenu::aboutToShow, this, &ComparePage::fill_reward_menu);
  row->addWidget(reward_);
  pager_ = new Pager(QStringLiteral("Samples"), foot);
  row->addWidget(pager_);
  connect(pager_, &Pager::turned, this, [this](std::size_t page) {
    grid_->show_page(page);
    refresh();
  });
  on_language(foot, [this, hint] {
    reward_->setToolTip(
        tr("Every answer gets its reward by a model that a run with the objective reward or prm "
           "has left; each column its mean, and how often it is above the reference's"));
    hint->setText(
        tr("Hover a token: its probability and the runners-up. Click a column's name: make it the "
           "reference. Underlined words differ from it."));
  });
  return foot;
}

void ComparePage::entered() {
  // The first visit takes held-out rows where the recipe names some.
  const Recipe& recipe = workspace().recipe();
  if (workspace().samples().file().isEmpty() && workspace().model() && !recipe.eval_dataset.empty())
    load_samples(QString::fromStdString(recipe.eval_dataset.front()),
                 static_cast<std::size_t>(count_->value()));
  refresh();
}

void ComparePage::fill_adapter_menu() {
  add_menu_->clear();
  for (const QString& folder : finished_results(workspace().recipe())) {
    const QString name = QString::fromStdString(result_name(to_path(folder)));
    QAction* action =
        add_menu_->addAction(name, this, [this, folder] { workspace().attach_adapter(folder); });
    action->setToolTip(folder);
  }
  if (!add_menu_->isEmpty()) add_menu_->addSeparator();
  QAction* browse = add_menu_->addAction(tr("Open a folder…"), this, [this] {
    const QString folder =
        QFileDialog::getExistingDirectory(this, tr("Open an adapter, a checkpoint or a run"));
    if (!folder.isEmpty()) workspace().attach_adapter(folder);
  });
  browse->setObjectName(QStringLiteral("browseAdapter"));
}

void ComparePage::fill_reward_menu() {
  reward_menu_->clear();
  const std::filesystem::path& chosen = comparison_->data().reward_model;
  const auto add = [this, &chosen](const QString& name, const std::filesystem::path& folder) {
    QAction* action = reward_menu_->addAction(
        name, this, [this, folder] { comparison_->set_reward_model(folder); });
    action->setCheckable(true);
    action->setChecked(folder == chosen);
    return action;
  };
  add(tr("None"), {})->setObjectName(QStringLiteral("noReward"));
  const QStringList found = reward_results(workspace().recipe());
  for (const QString& folder : found)
    add(QString::fromStdString(result_name(to_path(folder))), to_path(folder))->setToolTip(folder);
  if (!chosen.empty() && !found.contains(path_text(chosen)))
    add(QString::fromStdString(result_name(chosen)), chosen);
  reward_menu_->addSeparator();
  reward_menu_->addAction(tr("Open a folder…"), this, [this] {
    const QString folder =
        QFileDialog::getExistingDirectory(this, tr("Open a reward model, or a run that left one"));
    if (!folder.isEmpty()) comparison_->set_reward_model(to_path(folder));
  });
}

void ComparePage::choose_samples() {
  const QString file = QFileDialog::getOpenFileName(
      this, tr("Open samples"), workspace().samples().file(), tr("Rows (*.jsonl *.json)"));
  if (!file.isEmpty()) load_samples(file, static_cast<std::size_t>(count_->value()));
}

void ComparePage::load_samples(const QString& file, std::size_t count) {
  workspace().samples().read(file, count, workspace().recipe().image_folder);
}

void ComparePage::follow_samples() {
  SampleSource& source = workspace().samples();
  connect(&source, &SampleSource::reading, this,
          [this, &source] { count_->setValue(static_cast<int>(source.asked())); });
  connect(&source, &SampleSource::failed, this,
          [this](const Error& error) { banner_->show_error(error); });
  connect(&source, &SampleSource::passed_over, this, [this](const std::vector<Error>& rows) {
    banner_->show_text(Banner::Kind::Warning,
                       tr("%n rows cannot be read and were passed over. The first: %1", nullptr,
                          static_cast<int>(rows.size()))
                           .arg(error_text(rows.front())));
  });
  connect(&source, &SampleSource::changed, this,
          [this, &source] { comparison_->set_samples(source.samples()); });
}

void ComparePage::take_options() {
  constexpr double kTemperatures[] = {0, 0.7, 1};
  GenerationOptions options = comparison_->data().options;
  options.temperature = kTemperatures[std::max(0, sampling_->currentIndex())];
  options.seed = static_cast<std::uint64_t>(seed_->value());
  options.max_new_tokens = most_->value();
  comparison_->set_options(options);
  workspace().samples().set_options(comparison_->data().options);
}

void ComparePage::run() {
  banner_->dismiss();
  if (comparison_->missing() > 0) {
    comparison_->run();
    return;
  }
  banner_->show_text(
      Banner::Kind::Info,
      tr("All %n answers are there for these settings. Another sampling, seed, length or strength "
         "asks again what it changes.",
         nullptr, static_cast<int>(comparison_->data().answered())));
  banner_->offer(tr("Ask all again"), [this] {
    comparison_->forget_all();
    comparison_->run();
  });
}

void ComparePage::export_as(bool html) {
  const QString name = html ? QStringLiteral("comparison.html") : QStringLiteral("comparison.json");
  const QString kind = html ? QStringLiteral("HTML (*.html)") : QStringLiteral("JSON (*.json)");
  const QString file = QFileDialog::getSaveFileName(this, tr("Export the comparison"), name, kind);
  if (file.isEmpty()) return;
  // Pictures are read and packed: not in the window's thread.
  export_->setEnabled(false);
  in_background_of(
      this,
      [file, html, data = comparison_->data(), words = document_words()] {
        return html ? write_comparison_html(data, to_path(file), words)
                    : write_comparison_json(data, to_path(file));
      },
      [this, file](const Status& written) {
        refresh();
        const QString done = tr("The comparison was written to %1.").arg(file);
        if (!written)
          banner_->show_error(written.error());
        else
          banner_->show_text(Banner::Kind::Info, done);
      });
}

QString ComparePage::why_not_run() const {
  if (!workspace().model()) return tr("A model must be loaded first");
  if (comparison_->data().rows.empty()) return tr("Open samples first");
  if (!can_answer(workspace().state())) {
    return tr("Not now: %1").arg(state_text(state_name(workspace().state())));
  }
  return {};
}

void ComparePage::refresh() {
  const std::size_t total = comparison_->data().rows.size();
  const bool model = workspace().model().has_value(), any = total > 0;
  stack_->setCurrentIndex(model && any ? 1 : 0);
  if (!model)
    empty_->set_texts(tr("First a model"),
                      tr("Adapters are compared on one base that stays loaded."),
                      tr("Choose a model"));
  else
    empty_->set_texts(tr("No samples yet"),
                      tr("Open a file of rows: every adapter answers the same questions, next to "
                         "the base."),
                      tr("Open samples…"));
  base_->setText(model ? tr("base: %1").arg(model_name(workspace().model()->summary.folder))
                       : QString());
  add_->setEnabled(model && can_answer(workspace().state()));
  const QString why_not = why_not_run();
  const bool busy = comparison_->running() || comparison_->scoring();
  run_->setEnabled(why_not.isEmpty() && !busy);
  run_->setToolTip(why_not.isEmpty() ? tr("Asks for the answers that are not there yet") : why_not);
  run_->setVisible(!busy);
  cancel_->setVisible(busy);
  export_->setEnabled(any);
  const std::filesystem::path& reward = comparison_->data().reward_model;
  reward_->setText(reward.empty()
                       ? tr("Reward model")
                       : tr("Rewards: %1").arg(QString::fromStdString(result_name(reward))));
  reward_->setEnabled(model && any && can_answer(workspace().state()));
  pager_->set_place(grid_->page(), CompareGrid::kPerPage, total);
}

}  // namespace luthier
