// SPDX-License-Identifier: GPL-3.0-or-later
// Filter, ticks and totals of the module tree.
#include "ui/model/module_tree.h"

#include <QHBoxLayout>
#include <QHeaderView>
#include <QKeyEvent>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QStackedWidget>
#include <QTreeView>

#include "engine/config/recipe.h"
#include "engine/forecast/forecast.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/messages.h"
#include "ui/model/module_tree_model.h"
#include "ui/theme.h"
#include "ui/widgets/empty_state.h"
#include "ui/widgets/quiet_view.h"

namespace luthier {

namespace {

/// Whether the recipe's method lets modules be chosen.
bool chooses_modules(const Recipe& recipe) {
  for (const FieldDescription& field : recipe_fields()) {
    if (field.key == "adapter.target_modules") return applies(field, recipe);
  }
  return false;
}

}  // namespace

ModuleTree::ModuleTree(Workspace& workspace, QWidget* parent)
    : Card(parent), workspace_(workspace) {
  filter_ = new QLineEdit(this);
  filter_->setObjectName(QStringLiteral("moduleFilter"));
  filter_->setClearButtonEnabled(true);
  filter_->setMaximumWidth(280);
  head()->addWidget(filter_, 2);
  auto* row = new QHBoxLayout;
  totals_ = text_label(this, true);
  totals_->setObjectName(QStringLiteral("moduleTotals"));
  row->addWidget(totals_, 1);
  body()->addLayout(row);
  note_ = muted_label(this, 0.85);
  body()->addWidget(note_);
  model_ = new ModuleTreeModel(this);
  proxy_ = new QSortFilterProxyModel(this);
  proxy_->setSourceModel(model_);
  proxy_->setFilterRole(ModuleTreeModel::kFullNameRole);
  proxy_->setFilterCaseSensitivity(Qt::CaseInsensitive);
  proxy_->setRecursiveFilteringEnabled(true);
  tree_ = new QTreeView(this);
  tree_->setObjectName(QStringLiteral("moduleTree"));
  tree_->setModel(proxy_);
  tree_->setUniformRowHeights(true);
  make_quiet(tree_);
  tree_->setAllColumnsShowFocus(true);
  tree_->setAlternatingRowColors(true);
  tree_->installEventFilter(this);
  tree_->viewport()->installEventFilter(this);
  stack_ = new QStackedWidget(this);
  stack_->addWidget(tree_);
  nothing_ = new EmptyState(QStringLiteral("model"), QStringLiteral("clearModuleFilter"), stack_);
  stack_->addWidget(nothing_);
  body()->addWidget(stack_, 1);
  connect(nothing_->button(), &QPushButton::clicked, filter_, &QLineEdit::clear);
  connect(filter_, &QLineEdit::textChanged, this, &ModuleTree::set_filter);
  connect(&workspace_, &Workspace::model_changed, this, &ModuleTree::show_model);
  connect(&workspace_, &Workspace::recipe_changed, this, &ModuleTree::show_trained);
  connect(&workspace_.bridge(), &SessionBridge::state_changed, this, &ModuleTree::show_trained);
  on_language(this, [this] {
    set_title(tr("Modules"));
    filter_->setPlaceholderText(tr("Filter, e.g. q_proj"));
    filter_->setAccessibleName(tr("Filter the modules"));
    tree_->setAccessibleName(tr("Modules"));
    model_->retranslate();
    say_nothing_found();
    show_trained();
  });
  show_model();
}

void ModuleTree::show_model() {
  const auto& model = workspace_.model();
  if (!model) {
    model_->clear();
    totals_->clear();
    return;
  }
  model_->set_summary(model->summary);
  tree_->expandToDepth(1);
  if (filtered_) {
    open_before_ = open_branches();
    tree_->expandAll();
  }
  say_nothing_found();
  QHeaderView* header = tree_->header();
  header->setStretchLastSection(false);
  header->setMinimumSectionSize(56);
  header->setSectionResizeMode(ModuleTreeModel::Name, QHeaderView::Stretch);
  for (int column = ModuleTreeModel::Type; column < ModuleTreeModel::ColumnCount; ++column)
    header->setSectionResizeMode(column, QHeaderView::Interactive);
  const int widths[] = {0, 88, 112, 56, 96, 60};
  for (int column = ModuleTreeModel::Type; column < ModuleTreeModel::ColumnCount; ++column)
    header->resizeSection(column, widths[column]);
  show_trained();
}

void ModuleTree::show_trained() {
  const auto& model = workspace_.model();
  if (!model) return;
  const Recipe& recipe = workspace_.recipe();
  const auto trained = trained_modules(model->summary, recipe);
  const bool chosen = chooses_modules(recipe);
  const bool editable = chosen && !can_stop(workspace_.state());
  std::set<std::string> names;
  if (trained) {
    for (const auto* part : {&trained->wrapped, &trained->saved, &trained->base})
      names.insert(part->begin(), part->end());
  }
  const auto count = static_cast<int>(names.size());
  model_->set_trained(std::move(names), editable);
  set_ink(totals_, trained ? Ink::Text : Ink::Error);
  if (trained) {
    totals_->setText(tr("%1 parameters train (%2 of %3 in the base), in %n modules", nullptr, count)
                         .arg(grouped_text(trained->parameters),
                              percent_text(static_cast<double>(trained->parameters),
                                           static_cast<double>(model->summary.parameters)),
                              count_text(model->summary.parameters)));
  } else {
    totals_->setText(error_text(trained.error()));
  }
  note_->setText(
      chosen
          ? tr("Tick linear layers to give them an adapter. Space ticks the row; with a filter, a "
               "branch's tick counts for what is shown.")
          : tr("The method “%1” chooses what trains; parts are kept fixed on the Train page.")
                .arg(recipe_text(recipe.strategy)));
}

void ModuleTree::set_filter(const QString& text) {
  const QString wanted = text.trimmed();
  if (!filtered_ && !wanted.isEmpty()) open_before_ = open_branches();
  filtered_ = !wanted.isEmpty();
  proxy_->setFilterFixedString(wanted);
  if (filtered_)
    tree_->expandAll();
  else
    open_branches(open_before_);
  if (tree_->currentIndex().isValid()) tree_->scrollTo(tree_->currentIndex());
  say_nothing_found();
}

std::set<QString> ModuleTree::open_branches() const {
  std::set<QString> names;
  const auto collect = [&](const auto& self, const QModelIndex& parent) -> void {
    for (int row = 0; row < proxy_->rowCount(parent); ++row) {
      const QModelIndex index = proxy_->index(row, 0, parent);
      if (!tree_->isExpanded(index)) continue;
      names.insert(index.data(ModuleTreeModel::kFullNameRole).toString());
      self(self, index);
    }
  };
  collect(collect, {});
  return names;
}

void ModuleTree::open_branches(const std::set<QString>& names) {
  tree_->collapseAll();
  const auto open = [&](const auto& self, const QModelIndex& parent) -> void {
    for (int row = 0; row < proxy_->rowCount(parent); ++row) {
      const QModelIndex index = proxy_->index(row, 0, parent);
      if (!names.count(index.data(ModuleTreeModel::kFullNameRole).toString())) continue;
      tree_->expand(index);
      self(self, index);
    }
  };
  open(open, {});
  // What a person chose among the filtered rows stays in sight.
  for (QModelIndex index = tree_->currentIndex().parent(); index.isValid(); index = index.parent())
    tree_->expand(index);
}

void ModuleTree::say_nothing_found() {
  const bool none = filtered_ && workspace_.model() && proxy_->rowCount() == 0;
  stack_->setCurrentIndex(none ? 1 : 0);
  nothing_->set_texts(tr("No module is called so"),
                      tr("No module's name holds “%1”. The filter looks for a part of the whole "
                         "name, such as layers.0 or q_proj.")
                          .arg(filter_->text().trimmed()),
                      tr("Clear the filter"));
}

void ModuleTree::toggle(const QModelIndex& proxy_index) {
  const auto& model = workspace_.model();
  if (!model || !chooses_modules(workspace_.recipe()) || can_stop(workspace_.state())) return;
  const QModelIndex index = proxy_->mapToSource(proxy_index);
  const std::vector<std::string> linears = model_->linears_below(index, filter_->text().trimmed());
  if (linears.empty()) return;
  std::set<std::string> names = model_->trained();
  bool all_on = true;
  for (const std::string& name : linears) all_on = all_on && names.count(name);
  for (const std::string& name : linears) {
    if (all_on)
      names.erase(name);
    else
      names.insert(name);
  }
  // modules_to_save is chosen elsewhere: only linears are targets.
  std::set<std::string> targets;
  for (const ModuleSummary& module : model->summary.modules)
    if (module.type == "Linear" && names.count(module.name)) targets.insert(module.name);
  const Status status = workspace_.set_field("adapter.target_modules",
                                             selector_text(model->summary, targets).toStdString());
  if (!status) {
    set_ink(totals_, Ink::Error);
    totals_->setText(error_text(status.error()));
  }
}

bool ModuleTree::eventFilter(QObject* watched, QEvent* event) {
  if (watched == tree_ && event->type() == QEvent::KeyPress &&
      static_cast<QKeyEvent*>(event)->key() == Qt::Key_Space) {
    toggle(tree_->currentIndex().siblingAtColumn(0));
    return true;
  }
  if (watched == tree_->viewport() && event->type() == QEvent::MouseButtonRelease) {
    const auto* mouse = static_cast<QMouseEvent*>(event);
    const QModelIndex at = tree_->indexAt(mouse->pos());
    if (mouse->button() == Qt::LeftButton && at.isValid() && at.column() == ModuleTreeModel::Trains)
      toggle(at.siblingAtColumn(0));
  }
  return Card::eventFilter(watched, event);
}

}  // namespace luthier
