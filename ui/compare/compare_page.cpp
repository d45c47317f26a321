// SPDX-License-Identifier: GPL-3.0-or-later
// Composition of the Compare page.
#include "ui/compare/compare_page.h"

#include <QButtonGroup>
#include <QComboBox>
#include <QDir>
#include <QFileDialog>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QMenu>
#include <QPainter>
#include <QPushButton>
#include <QSpinBox>
#include <QStackedWidget>
#include <QToolButton>
#include <QVBoxLayout>

#include "engine/compare/result_folder.h"
#include "ui/compare/answer_inspector.h"
#include "ui/compare/answer_table.h"
#include "ui/compare/blind_view.h"
#include "ui/compare/compare_grid.h"
#include "ui/compare/kept_menu.h"
#include "ui/compare/live_comparison.h"
#include "ui/compare/own_sample.h"
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
#include "ui/widgets/splitter.h"

namespace luthier {

namespace {

/// A line that ends in … where there is no room for it; the whole of it is its tool tip.
class ElidedLine : public QLabel {
 public:
  using QLabel::QLabel;

 protected:
  void paintEvent(QPaintEvent*) override {
    QPainter painter(this);
    painter.drawText(contentsRect(), Qt::AlignLeft | Qt::AlignVCenter,
                     fontMetrics().elidedText(text(), Qt::ElideRight, contentsRect().width()));
  }
};

}  // namespace

ComparePage::ComparePage(Workspace& workspace, QWidget* parent) : Page(workspace, parent) {
  comparison_ = new LiveComparison(workspace, this);
  auto* layout = make_layout();
  layout->addWidget(make_head());
  own_ = new OwnSample(this);
  own_->hide();
  layout->addWidget(own_);
  banner_ = new Banner(this);
  layout->addWidget(banner_);
  stack_ = new QStackedWidget(this);
  empty_ = new EmptyState(QStringLiteral("compare"), QStringLiteral("emptyCompare"), stack_);
  stack_->addWidget(empty_);
  auto* split = new Splitter(Qt::Vertical, stack_);
  auto* card = new Card(split);
  card->layout()->setContentsMargins(1, 1, 1, 1);
  views_ = new QStackedWidget(card);
  grid_ = new CompareGrid(workspace, *comparison_, views_);
  table_ = new AnswerTable(*comparison_, views_);
  blind_ = new BlindView(*comparison_, views_);
  for (QWidget* view : std::initializer_list<QWidget*>{grid_, table_, blind_})
    views_->addWidget(view);
  card->body()->addWidget(views_);
  split->addWidget(card);
  inspector_ = new AnswerInspector(workspace, *comparison_, split);
  inspector_->hide();
  split->addWidget(inspector_);
  split->setStretchFactor(0, 3);
  split->setStretchFactor(1, 2);
  stack_->addWidget(split);
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
  connect_kept();
  connect_views();
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
  base_ = new ElidedLine(head);
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
  sampling_->addItem(QString(), 0.0);
  sampling_->addItem(QStringLiteral("T 0.7"), 0.7);
  sampling_->addItem(QStringLiteral("T 1.0"), 1.0);
  most_ = new QSpinBox(head);
  most_->setObjectName(QStringLiteral("maxTokens"));
  most_->setRange(1, 2048);
  most_->setValue(64);
  run_ = new QPushButton(head);
  run_->setObjectName(QStringLiteral("runAll"));
  cancel_ = new QPushButton(head);
  cancel_->setObjectName(QStringLiteral("cancelCompare"));
  own_toggle_ = new QToolButton(head);
  own_toggle_->setObjectName(QStringLiteral("ownToggle"));
  own_toggle_->setCheckable(true);
  set_themed_icon(own_toggle_, QStringLiteral("ask"));
  export_ = new QToolButton(head);
  export_->setObjectName(QStringLiteral("exportCompare"));
  export_->setPopupMode(QToolButton::InstantPopup);
  set_themed_icon(export_, QStringLiteral("export"));
  auto* menu = new QMenu(export_);
  QAction* html = menu->addAction(QString(), this, [this] { export_as(Document::Html); });
  QAction* csv = menu->addAction(QString(), this, [this] { export_as(Document::Csv); });
  QAction* json = menu->addAction(QString(), this, [this] { export_as(Document::Json); });
  export_->setMenu(menu);
  auto* keep = new QToolButton(head);
  keep->setObjectName(QStringLiteral("keepMenu"));
  keep->setPopupMode(QToolButton::InstantPopup);
  set_themed_icon(keep, QStringLiteral("save"));
  kept_ = new KeptMenu(workspace(), *comparison_, keep);
  keep->setMenu(kept_);
  row->addWidget(base_, 1);
  for (QWidget* widget :
       std::initializer_list<QWidget*>{add_, samples_, own_toggle_, count_, seed_, sampling_, most_,
                                       run_, cancel_, keep, export_})
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
  on_language(head, [this, html, csv, json, keep] {
    own_toggle_->setToolTip(tr("Ask something of your own, with a picture or without"));
    own_toggle_->setAccessibleName(tr("Ask something of your own"));
    keep->setToolTip(tr("Keep this comparison with its run, or open one that was kept"));
    keep->setAccessibleName(tr("Kept comparisons"));
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
    csv->setText(tr("As a table (CSV)…"));
    json->setText(tr("As data (JSON)…"));
  });
  return head;
}

QWidget* ComparePage::make_foot() {
  auto* foot = new QWidget(this);
  auto* row = new QHBoxLayout(foot);
  row->setContentsMargins(0, 0, 0, 0);
  view_buttons_ = new QButtonGroup(foot);
  const char* names[] = {"viewGrid", "viewTable", "viewBlind"};
  for (int i = 0; i < 3; ++i) {
    auto* button = new QToolButton(foot);
    button->setObjectName(QString::fromLatin1(names[i]));
    button->setCheckable(true);
    button->setToolButtonStyle(Qt::ToolButtonTextOnly);
    button->setChecked(i == 0);
    view_buttons_->addButton(button, i);
    row->addWidget(button);
  }
  QLabel* hint = muted_label(foot, 0.85);
  hint->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
  row->addWidget(hint, 1);
  pattern_ = new QLineEdit(foot);
  pattern_->setObjectName(QStringLiteral("answerPattern"));
  pattern_->setClearButtonEnabled(true);
  pattern_->setFixedWidth(130);
  row->addWidget(pattern_);
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
        tr("Hover a token: its probability and the runners-up; click it: where it looked. Click a "
           "column's name: make it the reference. Underlined words differ from it."));
    const QStringList views{tr("Side by side"), tr("Table"), tr("Blind")};
    const QStringList tips{tr("Samples and columns beside one another"),
                           tr("All samples as a table: sort, filter, search"),
                           tr("Judge the answers without knowing whose they are")};
    for (int i = 0; i < 3; ++i) {
      view_buttons_->button(i)->setText(views[i]);
      view_buttons_->button(i)->setToolTip(tips[i]);
    }
    pattern_->setPlaceholderText(tr("right by pattern"));
    pattern_->setAccessibleName(tr("A pattern that right answers match"));
    pattern_->setToolTip(
        tr("A regular expression (as Python's): an answer is right where what it finds first is "
           "what it finds in the expected answer, for example \\b[A-D]\\b; where nothing is "
           "expected, where it matches at all"));
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
  connect(&source, &SampleSource::changed, this, &ComparePage::take_samples);
}

void ComparePage::take_options() {
  GenerationOptions options = comparison_->data().options;
  options.temperature = sampling_->currentData().toDouble();
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
  own_toggle_->setEnabled(model);
  for (QAbstractButton* button : view_buttons_->buttons()) button->setEnabled(model && any);
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
  pager_->set_place(grid_->page(), CompareGrid::kPerPage,
                    views_->currentWidget() == grid_ ? total : 0);
}

}  // namespace luthier
