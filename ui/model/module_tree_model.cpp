// SPDX-License-Identifier: GPL-3.0-or-later
// Building the tree from dotted names, and saying a set of modules as target_modules.
#include "ui/model/module_tree_model.h"

#include <QFont>
#include <QStringList>

#include "engine/session/target_names.h"
#include "ui/format.h"
#include "ui/theme.h"

namespace luthier {

struct ModuleTreeModel::Node {
  QString name, full;
  Node* parent = nullptr;
  int row = 0;
  std::vector<std::unique_ptr<Node>> children;
  bool module = false, linear = false;
  ModuleSummary summary;
  std::int64_t parameters = 0;
  Qt::CheckState state = Qt::Unchecked;
  bool tickable = false;  ///< a linear stands here or below
};

ModuleTreeModel::ModuleTreeModel(QObject* parent)
    : QAbstractItemModel(parent), root_(std::make_unique<Node>()) {}
ModuleTreeModel::~ModuleTreeModel() = default;

void ModuleTreeModel::clear() {
  beginResetModel();
  root_ = std::make_unique<Node>();
  trained_.clear();
  endResetModel();
}

ModuleTreeModel::Node* ModuleTreeModel::child_of(Node* parent, const QString& name) {
  for (const auto& child : parent->children)
    if (child->name == name) return child.get();
  auto child = std::make_unique<Node>();
  child->name = name;
  child->full = parent->full.isEmpty() ? name : parent->full + QLatin1Char('.') + name;
  child->parent = parent;
  child->row = static_cast<int>(parent->children.size());
  parent->children.push_back(std::move(child));
  return parent->children.back().get();
}

void ModuleTreeModel::set_summary(const ModelSummary& summary) {
  beginResetModel();
  root_ = std::make_unique<Node>();
  trained_.clear();
  for (const ModuleSummary& module : summary.modules) {
    Node* node = root_.get();
    for (const QString& part : QString::fromStdString(module.name).split(QLatin1Char('.')))
      node = child_of(node, part);
    node->module = true;
    node->linear = module.type == "Linear";
    node->summary = module;
    node->parameters = module.parameters;
  }
  sum_up(root_.get());
  endResetModel();
}

void ModuleTreeModel::sum_up(Node* node) {
  node->tickable = node->linear;
  for (const auto& child : node->children) {
    sum_up(child.get());
    node->parameters += child->parameters;
    node->tickable = node->tickable || child->tickable;
  }
}

void ModuleTreeModel::set_trained(std::set<std::string> names, bool editable) {
  trained_ = std::move(names);
  editable_ = editable;
  count_ticks(root_.get());
  tell_ticks({});
}

Qt::CheckState ModuleTreeModel::count_ticks(Node* node) {
  int checked = 0, unchecked = 0;
  if (node->module && (!editable_ || node->linear || trained_.count(node->full.toStdString())))
    ++(trained_.count(node->full.toStdString()) ? checked : unchecked);
  for (const auto& child : node->children) {
    const Qt::CheckState state = count_ticks(child.get());
    if (editable_ && !child->tickable && state == Qt::Unchecked) continue;
    if (state != Qt::Unchecked) ++checked;
    if (state != Qt::Checked) ++unchecked;
  }
  node->state = checked == 0 ? Qt::Unchecked : unchecked == 0 ? Qt::Checked : Qt::PartiallyChecked;
  return node->state;
}

void ModuleTreeModel::tell_ticks(const QModelIndex& parent) {
  const int rows = rowCount(parent);
  if (rows == 0) return;
  emit dataChanged(index(0, Trains, parent), index(rows - 1, Trains, parent));
  for (int row = 0; row < rows; ++row) tell_ticks(index(row, 0, parent));
}

std::vector<std::string> ModuleTreeModel::linears_below(const QModelIndex& index,
                                                        const QString& filter) const {
  std::vector<std::string> names;
  const auto collect = [&](const auto& self, const Node* node) -> void {
    if (node->linear && node->full.contains(filter, Qt::CaseInsensitive))
      names.push_back(node->full.toStdString());
    for (const auto& child : node->children) self(self, child.get());
  };
  collect(collect, node_at(index));
  return names;
}

void ModuleTreeModel::retranslate() { emit headerDataChanged(Qt::Horizontal, 0, ColumnCount - 1); }

ModuleTreeModel::Node* ModuleTreeModel::node_at(const QModelIndex& index) const {
  return index.isValid() ? static_cast<Node*>(index.internalPointer()) : root_.get();
}

QModelIndex ModuleTreeModel::index(int row, int column, const QModelIndex& parent) const {
  const Node* node = node_at(parent);
  if (row < 0 || row >= static_cast<int>(node->children.size()) || column < 0 ||
      column >= ColumnCount)
    return {};
  return createIndex(row, column, node->children[static_cast<std::size_t>(row)].get());
}

QModelIndex ModuleTreeModel::parent(const QModelIndex& index) const {
  if (!index.isValid()) return {};
  Node* up = node_at(index)->parent;
  return !up || up == root_.get() ? QModelIndex() : createIndex(up->row, 0, up);
}

int ModuleTreeModel::rowCount(const QModelIndex& parent) const {
  return parent.column() > 0 ? 0 : static_cast<int>(node_at(parent)->children.size());
}
int ModuleTreeModel::columnCount(const QModelIndex&) const { return ColumnCount; }

QVariant ModuleTreeModel::data(const QModelIndex& index, int role) const {
  const Node* node = node_at(index);
  if (role == kFullNameRole) return node->full;
  if (role == Qt::ToolTipRole) return node->full;
  if (role == Qt::TextAlignmentRole && (index.column() == Parameters || index.column() == Shape))
    return QVariant(Qt::AlignRight | Qt::AlignVCenter);
  if (role == Qt::ForegroundRole && index.column() != Name && index.column() != Parameters)
    return colours().muted;
  if (role == Qt::CheckStateRole && index.column() == Trains && (node->tickable || !editable_))
    return node->state;
  if (role == Qt::AccessibleTextRole && index.column() == Trains)
    return node->state == Qt::Checked     ? tr("trains")
           : node->state == Qt::Unchecked ? tr("fixed")
                                          : tr("trains in part");
  if (role != Qt::DisplayRole) return {};
  switch (index.column()) {
    case Name: return node->name;
    case Type: return node->module ? QString::fromStdString(node->summary.type) : QString();
    case Shape: return node->module ? shape_text(node->summary.shape) : QString();
    case Dtype: return node->module ? QString::fromStdString(node->summary.dtype) : QString();
    case Parameters: return grouped_text(node->parameters);
    default: return {};
  }
}

QVariant ModuleTreeModel::headerData(int section, Qt::Orientation orientation, int role) const {
  if (orientation != Qt::Horizontal) return {};
  if (role == Qt::TextAlignmentRole)
    return QVariant((section == Parameters || section == Shape ? Qt::AlignRight : Qt::AlignLeft) |
                    Qt::AlignVCenter);
  if (role != Qt::DisplayRole) return {};
  switch (section) {
    case Name: return tr("Module");
    case Type: return tr("Type");
    case Shape: return tr("Shape");
    case Dtype: return tr("Dtype");
    case Parameters: return tr("Parameters");
    case Trains: return tr("Trains");
    default: return {};
  }
}

Qt::ItemFlags ModuleTreeModel::flags(const QModelIndex& index) const {
  Qt::ItemFlags flags = Qt::ItemIsEnabled | Qt::ItemIsSelectable;
  // Ticking is done by ModuleTree, which knows the filter; the model only shows.
  if (index.column() == Trains && !editable_) flags &= ~Qt::ItemIsEnabled;
  return flags;
}

QString selector_text(const ModelSummary& summary, const std::set<std::string>& names) {
  if (names.empty()) return QStringLiteral("null");
  QStringList parts;
  for (const std::string& name : target_names(summary, names))
    parts << QString::fromStdString(name);
  return parts.join(QStringLiteral(", "));
}

}  // namespace luthier
