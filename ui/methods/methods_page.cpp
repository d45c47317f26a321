// SPDX-License-Identifier: GPL-3.0-or-later
// Composition of the Methods page.
#include "ui/methods/methods_page.h"

#include <QCheckBox>
#include <QFileDialog>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QStackedWidget>
#include <QTableView>
#include <QToolButton>
#include <QVBoxLayout>
#include <algorithm>
#include <utility>

#include "engine/config/kinds.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/messages.h"
#include "ui/methods/method_model.h"
#include "ui/methods/part_bars.h"
#include "ui/methods/plain_table.h"
#include "ui/methods/short_runs_panel.h"
#include "ui/theme.h"
#include "ui/widgets/banner.h"
#include "ui/widgets/card.h"
#include "ui/widgets/empty_state.h"
#include "ui/widgets/splitter.h"

namespace luthier {

namespace {

constexpr int kAskMilliseconds = 150;  // a person types on
const QString kAboutRuns = QStringLiteral("runs");

}  // namespace

MethodsPage::MethodsPage(Workspace& workspace, QWidget* parent) : Page(workspace, parent) {
  auto* layout = make_layout();
  layout->addWidget(make_head());
  banner_ = new Banner(this);
  layout->addWidget(banner_);
  stack_ = new QStackedWidget(this);
  empty_ = new EmptyState(QStringLiteral("methods"), QStringLiteral("emptyMethods"), stack_);
  stack_->addWidget(empty_);
  auto* down = new Splitter(Qt::Vertical, stack_);
  down->addWidget(make_table());
  short_runs_ = new ShortRunsPanel(workspace, *model_, down);
  down->addWidget(short_runs_);
  down->setStretchFactor(0, 3);
  down->setStretchFactor(1, 2);
  down->setSizes({380, 260});
  stack_->addWidget(down);
  layout->addWidget(stack_, 1);
  banner_->float_over(stack_);
  timer_.setSingleShot(true);
  timer_.setInterval(kAskMilliseconds);
  connect(&timer_, &QTimer::timeout, this, &MethodsPage::ask);
  connect(empty_->button(), &QPushButton::clicked, this, [this] { emit go_to(PageId::Model); });
  connect(&workspace, &Workspace::recipe_changed, this, &MethodsPage::ask_soon);
  connect(&workspace, &Workspace::model_changed, this, &MethodsPage::ask_soon);
  connect(&bridge(), &SessionBridge::methods_tabled, this, &MethodsPage::show_table);
  connect(&bridge(), &SessionBridge::request_done, this, [this](const RequestDone& event) {
    if (event.request != request_ || !event.error) return;
    model_->set_table({});
    banner_->show_error(*event.error);
    banner_->set_about(QStringLiteral("table"));
    refresh();
  });
  connect(&bridge(), &SessionBridge::state_changed, this, &MethodsPage::refresh);
  connect(short_runs_, &ShortRunsPanel::started, banner_, &Banner::dismiss);
  connect(short_runs_, &ShortRunsPanel::ended, this, [this] {
    emit waits();
    refresh();
  });
  connect(short_runs_, &ShortRunsPanel::refused, this, [this](const Error& error) {
    banner_->show_error(error);
    banner_->set_about(kAboutRuns);
    if (!this->workspace().faults().empty())
      banner_->offer(tr("Go to Train"), [this] { emit go_to(PageId::Train); });
  });
  connect(&Theme::instance(), &Theme::changed, this,
          [this] { legend_->set_entries(memory_legend()); });
  on_language(this, [this] {
    model_->retranslate();
    legend_->set_entries(memory_legend());
    refresh();
  });
}

QWidget* MethodsPage::make_head() {
  auto* head = new QWidget(this);
  auto* row = new QHBoxLayout(head);
  row->setContentsMargins(0, 0, 0, 0);
  auto* label = new QLabel(head);
  model_folder_ = new QLineEdit(head);
  model_folder_->setObjectName(QStringLiteral("methodsModel"));
  label->setBuddy(model_folder_);
  auto* browse = new QToolButton(head);
  browse->setObjectName(QStringLiteral("browseMethodsModel"));
  set_themed_icon(browse, QStringLiteral("folder"));
  four_bits_ = new QCheckBox(head);
  four_bits_->setObjectName(QStringLiteral("fourBitsBeside"));
  use_ = new QPushButton(head);
  use_->setObjectName(QStringLiteral("useMethod"));
  row->addWidget(label);
  row->addWidget(model_folder_, 1);
  row->addWidget(browse);
  row->addWidget(four_bits_);
  row->addWidget(use_);
  connect(model_folder_, &QLineEdit::editingFinished, this, &MethodsPage::ask_soon);
  connect(browse, &QToolButton::clicked, this, [this] {
    const QString chosen =
        QFileDialog::getExistingDirectory(this, tr("A folder with a config.json"), folder());
    if (chosen.isEmpty()) return;
    model_folder_->setText(chosen);
    ask_soon();
  });
  connect(four_bits_, &QCheckBox::toggled, this, [this](bool on) {
    // What is ticked is to be compared: over packed weights too.
    const auto ticked = model_->ticked();
    for (const auto& [method, packed] : ticked) model_->set_ticked({method, true}, on);
    ask_soon();
  });
  connect(use_, &QPushButton::clicked, this, &MethodsPage::use_selected);
  on_language(head, [this, label, browse] {
    label->setText(tr("Methods &for"));
    model_folder_->setAccessibleName(tr("The model that the methods are for"));
    browse->setToolTip(tr("Choose another model: its config.json is enough for the table"));
    browse->setAccessibleName(tr("Choose another model"));
    four_bits_->setText(tr("&4-bit base beside"));
    four_bits_->setToolTip(
        tr("Methods that add to the base once more, over its weights in 4 bits"));
    use_->setText(tr("&Use this method"));
    use_->setToolTip(tr("Sets the selected method on the Train page"));
  });
  return head;
}

QWidget* MethodsPage::make_table() {
  auto* card = new Card(this);
  legend_ = new Legend(card);
  legend_->set_single_line();
  card->head()->insertWidget(1, legend_, 100);
  model_ = new MethodModel(this);
  order_ = new MethodOrder(this);
  order_->setSourceModel(model_);
  table_ = new QTableView(card);
  table_->setObjectName(QStringLiteral("methodTable"));
  table_->setModel(order_);
  make_plain_table(table_);
  table_->setItemDelegateForColumn(MethodModel::Memory, new PartBars(*model_, *order_, table_));
  table_->horizontalHeader()->setMinimumSectionSize(56);
  table_->horizontalHeader()->setSectionResizeMode(MethodModel::Memory, QHeaderView::Stretch);
  table_->horizontalHeader()->setSortIndicatorShown(true);
  table_->horizontalHeader()->setSortIndicatorClearable(true);
  table_->horizontalHeader()->setSortIndicator(-1, Qt::AscendingOrder);
  table_->setSortingEnabled(true);
  card->body()->addWidget(table_, 1);
  summary_ = muted_label(card, 0.88);
  summary_->setObjectName(QStringLiteral("methodsSummary"));
  card->body()->addWidget(summary_);
  connect(order_, &QAbstractItemModel::layoutChanged, this, &MethodsPage::span_refused);
  connect(model_, &MethodModel::ticks_changed, this, &MethodsPage::refresh);
  connect(table_->selectionModel(), &QItemSelectionModel::currentRowChanged, this,
          &MethodsPage::refresh);
  connect(table_, &QTableView::doubleClicked, this, [this](const QModelIndex& index) {
    if (index.column() != MethodModel::Method && use_->isEnabled()) use_selected();
  });
  on_language(card, [this, card] {
    card->set_title(tr("What each method takes"));
    table_->setAccessibleName(tr("Methods and what each takes"));
    QStringList names;
    for (const MethodChoice& choice : method_choices(true))
      names << method_label(choice.method, true) + QStringLiteral("    ");  // and the box
    fit_column(table_, MethodModel::Method, names);
    fit_column(table_, MethodModel::Trained, {QStringLiteral("888.8 M")});
    fit_column(table_, MethodModel::Share, {QStringLiteral("88.88 %")});
    for (int column = MethodModel::Weights; column < MethodModel::ColumnCount; ++column)
      fit_column(table_, column, {QStringLiteral("888.8 MB")});
  });
  return card;
}

void MethodsPage::entered() {
  if (std::exchange(first_, false))
    model_->set_ticked({workspace().recipe().strategy, has_four_bits(workspace().recipe())}, true);
  if (stale_) ask();
  refresh();
}

QString MethodsPage::folder() const {
  const QString typed = model_folder_->text().trimmed();
  return typed.isEmpty() ? QString::fromStdString(workspace().recipe().model) : typed;
}

bool MethodsPage::of_recipe() const {
  std::error_code problem;
  const std::filesystem::path own(workspace().recipe().model), shown = to_path(folder());
  return own == shown || (!own.empty() && std::filesystem::equivalent(own, shown, problem));
}

int MethodsPage::selected() const {
  const QModelIndex index = order_->mapToSource(table_->currentIndex());
  return index.isValid() ? index.row() : -1;
}

void MethodsPage::ask_soon() {
  stale_ = true;
  if (isVisible()) timer_.start();
}

void MethodsPage::ask() {
  stale_ = false;
  if (request_) workspace().session().cancel(request_);
  request_ = 0;
  if (folder().isEmpty()) {
    model_->set_table({});
    refresh();
    return;
  }
  Recipe recipe = workspace().recipe();
  recipe.model = folder().toStdString();
  // Of a shape that is no model of this machine's recipe, as papers and textbooks count: auto would
  // go by this machine.
  if (!of_recipe() && recipe.training.dtype == "auto") recipe.training.dtype = "bfloat16";
  request_ = workspace().session().table_methods(recipe, four_bits_->isChecked());
}

void MethodsPage::show_table(const MethodsTabled& event) {
  if (event.request != request_) return;
  banner_->dismiss_about(QStringLiteral("table"));
  const int at = selected();
  std::optional<MethodModel::Key> chosen;
  if (at >= 0) chosen = {model_->row(at).method, model_->row(at).four_bits};
  model_->set_table(event.table);
  // Nothing is narrower than float32: bars and figures have its room.
  const std::vector<MethodRow>& rows = model_->table().rows;
  table_->setColumnHidden(
      MethodModel::Masters,
      std::none_of(rows.begin(), rows.end(), [](const MethodRow& row) { return row.masters > 0; }));
  span_refused();
  for (int row = 0; row < model_->rowCount(); ++row) {
    const MethodRow& each = model_->row(row);
    if (chosen && chosen->first == each.method && chosen->second == each.four_bits)
      table_->selectRow(order_->mapFromSource(model_->index(row, 0)).row());
  }
  refresh();
}

/// A refused method's reason has the room of the figures that it has not.
void MethodsPage::span_refused() {
  table_->clearSpans();
  for (int row = 0; row < order_->rowCount(); ++row)
    if (order_->index(row, 0).data(MethodModel::kRefusedRole).toBool())
      table_->setSpan(row, MethodModel::Trained, 1,
                      MethodModel::ColumnCount - MethodModel::Trained);
}

void MethodsPage::use_selected() {
  const int at = selected();
  if (at < 0 || model_->row(at).refused) return;
  const MethodRow& row = model_->row(at);
  Status set = workspace().set_field("strategy", row.method);
  if (set && method_kind(row.method).hangs_adapter()) {
    set = workspace().set_field("quantization.load_in_4bit", row.four_bits ? "true" : "false");
    if (set && row.four_bits) set = workspace().set_field("quantization.load_in_8bit", "false");
  }
  if (!set) {
    banner_->show_error(set.error());
    return;
  }
  emit go_to(PageId::Train);
}

void MethodsPage::refresh() {
  const bool none = folder().isEmpty();
  stack_->setCurrentIndex(none ? 0 : 1);
  empty_->set_texts(
      tr("No model yet"),
      tr("Every way to tune it is laid side by side here: what trains, what stands in "
         "memory, how large the file is. Load a model, or choose a folder above: a "
         "config.json is enough."),
      tr("Go to Model"));
  model_folder_->setPlaceholderText(none ? tr("A folder with a config.json")
                                         : QString::fromStdString(workspace().recipe().model));
  const int at = selected();
  use_->setEnabled(at >= 0 && !model_->row(at).refused && !short_runs_->going());
  const MethodTable& table = model_->table();
  summary_->setText(
      table.rows.empty()
          ? QString()
          : tr("%1: %2 parameters, computed in %3, %4. Sizes are in powers of ten; activations, "
               "which depend on the rows, are in the Train page's forecast.")
                .arg(model_name(to_path(folder())), grouped_text(table.parameters),
                     QString::fromStdString(table.dtype), recipe_text(table.optimizer)));
  short_runs_->set_shown_model(of_recipe());
}

}  // namespace luthier
