// SPDX-License-Identifier: GPL-3.0-or-later
// Composition of the Data page: rows, the chosen row, the check and its findings.
#include "ui/data/data_page.h"

#include <QComboBox>
#include <QElapsedTimer>
#include <QFileDialog>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QLineEdit>
#include <QMenu>
#include <QProgressBar>
#include <QPushButton>
#include <QStackedWidget>
#include <QTableView>
#include <QTableWidget>
#include <QTimer>
#include <QToolButton>
#include <QVBoxLayout>

#include "engine/config/order_fields.h"
#include "engine/config/rollouts.h"
#include "ui/annotate/annotate_window.h"
#include "ui/data/finding_words.h"
#include "ui/data/row_model.h"
#include "ui/data/row_tools.h"
#include "ui/data/row_view.h"
#include "ui/format.h"
#include "ui/inspect/inspect_window.h"
#include "ui/language.h"
#include "ui/messages.h"
#include "ui/theme.h"
#include "ui/widgets/banner.h"
#include "ui/widgets/card.h"
#include "ui/widgets/empty_state.h"
#include "ui/widgets/quiet_view.h"
#include "ui/widgets/splitter.h"

namespace luthier {

namespace {
constexpr std::size_t kMostFindings = 1000;
constexpr int kFitMilliseconds = 80;
constexpr int kFindingsHeight = 290;  // what a few wrapped reasons need, and what is done of them
constexpr int kNarrowest = 340;       // that the summary stands in
}  // namespace

DataPage::DataPage(Workspace& workspace, QWidget* parent) : Page(workspace, parent) {
  auto* layout = make_layout();
  layout->addWidget(make_head());
  banner_ = new Banner(this);
  layout->addWidget(banner_);
  stack_ = new QStackedWidget(this);
  empty_ = new EmptyState(QStringLiteral("data"), QStringLiteral("emptyOpenData"), stack_);
  stack_->addWidget(empty_);
  auto* splitter = new Splitter(Qt::Horizontal, stack_);
  left_ = new Splitter(Qt::Vertical, splitter);
  left_->addWidget(make_rows());
  left_->addWidget(make_findings());
  left_->setStretchFactor(0, 3);
  left_->setStretchFactor(1, 1);
  splitter->addWidget(left_);
  auto* right = new Card(splitter);
  view_ = new RowView(right);
  right->body()->addWidget(view_);
  connect(view_, &RowView::inspect_asked, this, [this](std::size_t row) {
    InspectWindow::of(this->workspace(), this)->show_row(row, rows_->total());
  });
  splitter->addWidget(right);
  splitter->setSizes({560, 560});
  stack_->addWidget(splitter);
  layout->addWidget(stack_, 1);
  connect_session();
  connect_tools();
  setAcceptDrops(true);
  connect(empty_->button(), &QPushButton::clicked, this, [this] {
    if (this->workspace().recipe().model.empty())
      emit go_to(PageId::Model);
    else
      open_file();
  });
  connect(&workspace, &Workspace::recipe_changed, this, &DataPage::reload);
  connect(&workspace, &Workspace::model_changed, this, &DataPage::refresh);
  on_language(this, [this] {
    rows_->retranslate();
    findings_->setHorizontalHeaderLabels({tr("Row"), tr("Finding"), tr("What is wrong")});
    list_findings();
    refresh();
  });
  reload();
}

QWidget* DataPage::make_head() {
  auto* head = new QWidget(this);
  auto* row = new QHBoxLayout(head);
  row->setContentsMargins(0, 0, 0, 0);
  which_ = new QComboBox(head);
  which_->setObjectName(QStringLiteral("whichData"));
  which_->addItems({QString(), QString()});
  path_ = new QLineEdit(head);
  path_->setObjectName(QStringLiteral("dataPath"));
  open_ = new QToolButton(head);
  open_->setObjectName(QStringLiteral("openData"));
  open_->setPopupMode(QToolButton::InstantPopup);
  auto* ways = new QMenu(open_);
  open_file_ = ways->addAction(QString());
  open_folder_ = ways->addAction(QString());
  open_hub_ = ways->addAction(QString());
  open_hub_->setObjectName(QStringLiteral("openHubData"));
  open_->setMenu(ways);
  check_ = new QPushButton(head);
  check_->setObjectName(QStringLiteral("checkData"));
  progress_ = new QProgressBar(head);
  progress_->setObjectName(QStringLiteral("checkProgress"));
  progress_->setRange(0, 1000);
  progress_->setFixedSize(140, 12);
  progress_->setTextVisible(false);
  cancel_ = new QPushButton(head);
  cancel_->setObjectName(QStringLiteral("cancelCheck"));
  row->addWidget(which_);
  row->addWidget(path_, 1);
  auto* annotate = new QPushButton(head);
  annotate->setObjectName(QStringLiteral("annotatePictures"));
  connect(annotate, &QPushButton::clicked, this, &DataPage::annotate);
  on_language(annotate, [annotate] {
    annotate->setText(tr("From &pictures…"));
    annotate->setToolTip(tr("A folder of pictures becomes rows: ask, answer, compare, judge"));
  });
  for (QWidget* widget :
       std::initializer_list<QWidget*>{open_, annotate, check_, progress_, cancel_})
    row->addWidget(widget);
  connect(which_, &QComboBox::currentIndexChanged, this, &DataPage::reload);
  connect(open_file_, &QAction::triggered, this, &DataPage::open_file);
  connect(open_folder_, &QAction::triggered, this, &DataPage::open_folder);
  connect(open_hub_, &QAction::triggered, this, [this] { tools_->open_fetch(); });
  connect(check_, &QPushButton::clicked, this, &DataPage::check);
  connect(cancel_, &QPushButton::clicked, this,
          [this] { workspace().session().cancel(checking_); });
  connect(path_, &QLineEdit::editingFinished, this, [this] {
    const std::string key = which_->currentIndex() == 0 ? "dataset" : "eval_dataset";
    const QString text = path_->text().trimmed();
    if (const Status status =
            workspace().edit_field(key, text.isEmpty() ? "null" : text.toStdString());
        !status)
      banner_->show_error(status.error());
  });
  on_language(head, [this] {
    which_->setItemText(0, tr("Training data"));
    which_->setItemText(1, tr("Evaluation data"));
    which_->setAccessibleName(tr("Which data to show"));
    path_->setPlaceholderText(tr("A file of rows, or a folder; drop one here"));
    path_->setAccessibleName(tr("File of rows"));
    open_->setText(tr("&Open"));
    open_file_->setText(tr("A &file of rows…"));
    open_folder_->setText(tr("A f&older…"));
    open_hub_->setText(tr("&Download from a hub…"));
    check_->setText(tr("Chec&k all rows"));
    check_->setToolTip(
        tr("Missing pictures, wrong marks, empty answers, rows too long, duplicates: before "
           "training meets them"));
    cancel_->setText(tr("Cancel"));
  });
  return head;
}

QWidget* DataPage::make_rows() {
  auto* card = rows_card_ = new Card(this);
  rows_ = new RowModel(workspace(), this);
  table_ = new QTableView(card);
  table_->setObjectName(QStringLiteral("rowTable"));
  table_->setModel(rows_);
  make_quiet(table_);
  table_->setShowGrid(false);
  table_->setSelectionBehavior(QAbstractItemView::SelectRows);
  table_->setSelectionMode(QAbstractItemView::SingleSelection);
  table_->setTabKeyNavigation(false);
  table_->setIconSize({40, 40});
  table_->setWordWrap(true);
  table_->verticalHeader()->hide();
  table_->verticalHeader()->setSectionResizeMode(QHeaderView::Fixed);
  table_->verticalHeader()->setDefaultSectionSize(48);
  QHeaderView* header = table_->horizontalHeader();
  header->setHighlightSections(false);
  header->setSectionResizeMode(QHeaderView::Interactive);
  header->setSectionResizeMode(RowModel::Words, QHeaderView::Stretch);
  const int widths[] = {48, 60, 0, 60, 110};
  for (int column = 0; column < RowModel::ColumnCount; ++column)
    if (column != RowModel::Words) header->resizeSection(column, widths[column]);
  tools_ = new RowTools(workspace(), *rows_, card);
  card->body()->addWidget(tools_);
  card->body()->addWidget(table_);
  connect(table_->selectionModel(), &QItemSelectionModel::currentRowChanged, this,
          &DataPage::show_current);
  connect(rows_, &RowModel::rows_arrived, this, [this](std::size_t first, std::size_t count) {
    const int shown = table_->currentIndex().row();
    const std::size_t row = rows_->row_at(shown);
    if (shown < 0 && rows_->rowCount() > 0)
      table_->selectRow(0);
    else if (shown >= 0 && row >= first && row < first + count)
      show_current();
    refresh();
  });
  connect(rows_, &RowModel::failed, this,
          [this](const Error& error) { banner_->show_error(error); });
  on_language(card, [this] { table_->setAccessibleName(tr("Rows")); });
  return card;
}

QWidget* DataPage::make_findings() {
  auto* card = findings_card_ = new Card(this);
  summary_ = muted_label(card);
  summary_->setObjectName(QStringLiteral("checkSummary"));
  card->body()->addWidget(summary_);
  findings_ = new QTableWidget(0, 3, card);
  findings_->setObjectName(QStringLiteral("findingTable"));
  make_quiet(findings_);
  findings_->setShowGrid(false);
  findings_->setEditTriggers(QAbstractItemView::NoEditTriggers);
  findings_->setSelectionBehavior(QAbstractItemView::SelectRows);
  findings_->setTabKeyNavigation(false);
  findings_->verticalHeader()->hide();
  findings_->verticalHeader()->setDefaultSectionSize(26);
  findings_->verticalHeader()->setMinimumSectionSize(26);
  findings_->setWordWrap(true);
  findings_->setTextElideMode(Qt::ElideNone);
  findings_->horizontalHeader()->setStretchLastSection(true);
  auto* fit = new QTimer(card);
  fit->setSingleShot(true);
  fit->setInterval(kFitMilliseconds);
  connect(fit, &QTimer::timeout, this, &DataPage::fit_findings);
  fit_on_.setSingleShot(true);
  connect(&fit_on_, &QTimer::timeout, this, &DataPage::fit_some_findings);
  connect(findings_->horizontalHeader(), &QHeaderView::sectionResized, fit,
          qOverload<>(&QTimer::start));
  connect(&Theme::instance(), &Theme::changed, card, [this] {
    for (int row = 0; row < findings_->rowCount(); ++row)
      findings_->item(row, 1)->setIcon(themed_icon(QStringLiteral("warning"), colours().warning));
  });
  findings_->setColumnWidth(0, 48);
  findings_->setColumnWidth(1, 128);
  findings_->setMinimumHeight(60);
  card->body()->addWidget(findings_, 1);
  card->body()->addWidget(make_finding_buttons(card));
  connect(findings_, &QTableWidget::currentCellChanged, this, [this](int row) {
    if (row < 0) return;
    refresh_edits();
    const int target = rows_->shown_at(
        static_cast<std::size_t>(findings_->item(row, 0)->data(Qt::UserRole).toInt()));
    if (target < 0) return;
    table_->selectRow(target);
    table_->scrollTo(rows_->index(target, 0), QAbstractItemView::PositionAtCenter);
  });
  on_language(card, [this, card] {
    card->set_title(tr("Findings"));
    findings_->setAccessibleName(tr("Findings"));
  });
  return card;
}

void DataPage::connect_session() {
  connect(&bridge(), &SessionBridge::progressed, this, [this](const Progress& event) {
    if (event.request == checking_ && checking_ && event.total > 0)
      progress_->setValue(static_cast<int>(1000 * event.done / event.total));
  });
  connect(&bridge(), &SessionBridge::data_checked, this, [this](const DataChecked& event) {
    if (event.request == checking_) show_findings(event.report);
  });
  connect(&bridge(), &SessionBridge::request_done, this, [this](const RequestDone& event) {
    if (event.request != checking_ || checking_ == 0) return;
    checking_ = 0;
    if (event.error)
      banner_->show_error(*event.error);
    else if (event.cancelled)
      banner_->show_text(Banner::Kind::Info, tr("The check was cancelled."));
    refresh();
  });
  connect(&bridge(), &SessionBridge::command_failed, this, [this](const CommandFailed& event) {
    if (event.command != "check_data" && event.command != "preview_rows") return;
    checking_ = 0;
    banner_->show_error(event.error);
    refresh();
  });
}

Recipe DataPage::shown_recipe() const {
  Recipe recipe = workspace().recipe();
  if (which_->currentIndex() == 0) return recipe;
  recipe.dataset = recipe.eval_dataset;
  recipe.more.set_json("replay.dataset", "null");  // earlier rows are of the training alone
  // With judged answers to learn from, those to evaluate on are read alike.
  if (!rollouts_of(recipe).empty() && !recipe.dataset.empty())
    recipe.more.set_json(rollouts_key(recipe), Json(recipe.dataset.front()).dump());
  return recipe;
}

std::string DataPage::signature() const {
  const Recipe recipe = shown_recipe();
  std::string text = recipe.model + '\n' + recipe.objective + '\n' + recipe.training.loss_on +
                     '\n' + std::to_string(recipe.training.max_length) + '\n' + recipe.image_folder;
  for (const char* key :
       {"image.min_pixels", "image.max_pixels", "film.num_frames", "film.fps", "film.min_frames",
        "film.max_frames", "film.min_pixels", "film.max_pixels"})
    text += '\n' + get_field(recipe, key).take();
  text += '\n' + recipe.more.text("prm.step_separator");
  for (const std::string& file : training_files(recipe)) text += '\n' + file;
  for (const char* key : {"dataset_columns", "dataset_prompt", "dataset_answer"})
    text += '\n' + get_field(recipe, key).take();
  return text;
}

void DataPage::reload() {
  const Recipe recipe = shown_recipe();
  const QString files = QString::fromStdString(
      get_field(workspace().recipe(), which_->currentIndex() == 0 ? "dataset" : "eval_dataset")
          .value());
  if (!path_->hasFocus() || !path_->isModified())
    path_->setText(files == QLatin1String("null") ? QString() : files);
  if (signature() == shown_) return;
  shown_ = signature();
  banner_->dismiss();
  view_->clear();
  // Rows are read from the first visit on, not before.
  const bool shown = !recipe.model.empty() && !training_files(recipe).empty() && seen_;
  if (shown)
    rows_->restart(recipe);
  else
    rows_->clear();
  tools_->set_recipe(recipe, shown ? training_files(recipe) : std::vector<std::string>());
  list_findings();
  refresh();
}

void DataPage::entered() {
  if (!seen_) shown_.clear();
  seen_ = true;
  reload();
}

void DataPage::annotate() {
  // One at a time: each writes its file whole.
  if (auto* open = findChild<AnnotateWindow*>()) {
    open->show();
    open->raise();
    return open->activateWindow();
  }
  auto* window = new AnnotateWindow(workspace(), this);
  connect(window, &AnnotateWindow::used, this, [this] { which_->setCurrentIndex(0); });
  window->show();
}

void DataPage::open_file() {
  const QStringList files = QFileDialog::getOpenFileNames(
      this, tr("Open rows"), {},
      tr("Rows (*.jsonl *.json *.ndjson *.csv *.tsv *.parquet *.arrow "
         "*.tar)"));
  if (!files.isEmpty()) set_data(files);
}

void DataPage::set_data(const QStringList& files) {
  const std::string key = which_->currentIndex() == 0 ? "dataset" : "eval_dataset";
  if (const Status status =
          workspace().set_field(key, files.join(QStringLiteral(", ")).toStdString());
      !status)
    banner_->show_error(status.error());
}

void DataPage::check() {
  if (checking_) return;
  banner_->dismiss();
  progress_->setValue(0);
  checking_ = workspace().session().check_data(shown_recipe());
  refresh();
}

void DataPage::show_findings(const std::shared_ptr<const DatasetReport>& report) {
  tools_->set_report(report);
  list_findings();
  // In a low window the first report makes itself room.
  const QList<int> heights = left_->sizes();
  const bool any = !tools_->findings().empty();
  if (any && heights.last() < kFindingsHeight) {
    const int whole = heights.first() + heights.last();
    left_->setSizes(
        {whole - std::min(kFindingsHeight, whole / 2), std::min(kFindingsHeight, whole / 2)});
  }
  if (any) emit waits();
  show_current();
  refresh();
}

const Finding* DataPage::current_finding() const {
  const int row = findings_->currentRow();
  const FindingList& listed = tools_->findings();
  const auto at = static_cast<std::size_t>(row);
  return row < 0 || at >= listed.size() ? nullptr : &listed[at];
}

void DataPage::list_findings() {
  const FindingList& listed = tools_->findings();
  rows_->set_findings(listed);
  const auto count = static_cast<int>(std::min(listed.size(), kMostFindings));
  findings_->setRowCount(count);
  for (int i = 0; i < count; ++i) {
    const Finding& finding = listed[static_cast<std::size_t>(i)];
    auto* number = new QTableWidgetItem(QString::number(finding.row + 1));
    number->setData(Qt::UserRole, static_cast<int>(finding.row));
    number->setTextAlignment(Qt::AlignRight | Qt::AlignVCenter);
    findings_->setItem(i, 0, number);
    findings_->setItem(
        i, 1,
        new QTableWidgetItem(themed_icon(QStringLiteral("warning"), colours().warning),
                             finding_text(finding.kind)));
    auto* message = new QTableWidgetItem(finding_reason(finding.message));
    message->setToolTip(said_text(finding.message));
    findings_->setItem(i, 2, message);
  }
  fit_findings();
  refresh_edits();
}

int DataPage::table_row() const { return table_->currentIndex().row(); }
void DataPage::select_row(int shown) { table_->selectRow(shown); }
int DataPage::which_data() const { return which_->currentIndex(); }

void DataPage::fit_findings() {
  fitted_ = 0;
  fit_some_findings();
}

/// Those that are seen first at once: a thousand reasons take longer than a person waits.
void DataPage::fit_some_findings() {
  constexpr qint64 kTurnMilliseconds = 10;
  QElapsedTimer since;
  since.start();
  while (fitted_ < findings_->rowCount() && since.elapsed() < kTurnMilliseconds)
    findings_->resizeRowToContents(fitted_++);
  if (fitted_ < findings_->rowCount()) fit_on_.start();
}

void DataPage::show_current() {
  const int row = table_->currentIndex().row();
  if (row < 0) return;
  const std::size_t at = rows_->row_at(row);
  if (const RowPreview* preview = rows_->preview(at))
    view_->show_row(*preview, rows_->findings_of(at));
}

void DataPage::refresh() {
  const Recipe recipe = shown_recipe();
  const bool model = !recipe.model.empty(), data = !training_files(recipe).empty();
  // Judged answers take the dataset's place.
  const QString judged = QString::fromStdString(rollouts_of(recipe));
  rows_card_->set_title(judged.isEmpty() ? tr("Rows")
                                         : tr("Rows of %1").arg(QFileInfo(judged).fileName()));
  rows_card_->setToolTip(judged);
  stack_->setCurrentIndex(model && data ? 1 : 0);
  const bool pictures = workspace().model_has("image_folder");
  table_->setColumnHidden(RowModel::Picture, !pictures);
  view_->set_pictures(pictures);
  if (!model)
    empty_->set_texts(tr("First a model"),
                      tr("How rows become tokens depends on the model: its tokenizer, chat "
                         "template and picture size."),
                      tr("Choose a model"));
  else
    empty_->set_texts(tr("No rows yet"),
                      tr("Open or drop a file or a folder of rows: JSON lines, JSON, CSV, Parquet, "
                         "Arrow, tar, a dataset of the datasets library, or pictures with their "
                         "captions beside them."),
                      tr("Open a file…"));
  check_->setVisible(checking_ == 0);
  check_->setEnabled(model && data);
  progress_->setVisible(checking_ != 0);
  cancel_->setVisible(checking_ != 0);
  const auto total = static_cast<std::int64_t>(rows_->total());
  const DatasetReport* const report = tools_->findings().report();
  if (!report)
    summary_->setText(total == 1 ? tr("One row. Not checked yet.")
                                 : tr("%1 rows. Not checked yet.").arg(grouped_text(total)));
  else if (report->findings.empty())
    summary_->setText(tr("%1 rows checked, all usable. The longest has %2 tokens.")
                          .arg(grouped_text(static_cast<std::int64_t>(report->rows)),
                               grouped_text(report->longest_tokens)));
  else
    summary_->setText(tr("%1 rows checked, %2 usable, %n findings. The longest has %3 tokens.",
                         nullptr, static_cast<int>(report->findings.size()))
                          .arg(grouped_text(static_cast<std::int64_t>(report->rows)),
                               grouped_text(static_cast<std::int64_t>(report->usable)),
                               grouped_text(report->longest_tokens)));
  if (rows_->rowCount() != static_cast<int>(rows_->total()))
    summary_->setText(summary_->text() + QLatin1Char(' ') +
                      tr("%1 of them are shown.").arg(grouped_text(rows_->rowCount())));
  size_findings();
}

/// Where nothing was found no table of nothing stands, and the rows have its room.
void DataPage::size_findings() {
  const bool any = !tools_->findings().empty();
  findings_->setVisible(any);
  const QLayout* layout = findings_card_->layout();
  const int least = layout->hasHeightForWidth()
                        ? layout->totalHeightForWidth(scaled_length(kNarrowest))
                        : layout->totalSizeHint().height();
  findings_card_->setMaximumHeight(any ? QWIDGETSIZE_MAX : least);
}

}  // namespace luthier
