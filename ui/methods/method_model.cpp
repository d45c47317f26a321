// SPDX-License-Identifier: GPL-3.0-or-later
// The table's contents.
#include "ui/methods/method_model.h"

#include <QCoreApplication>
#include <algorithm>

#include "ui/format.h"
#include "ui/language.h"
#include "ui/messages.h"
#include "ui/theme.h"

namespace luthier {

QString method_label(const std::string& method, bool four_bits) {
  const QString name = recipe_text(method);
  if (!four_bits) return name;
  return QCoreApplication::translate("luthier::MethodModel", "%1, 4 bits").arg(name);
}

void MethodModel::set_table(MethodTable table) {
  beginResetModel();
  table_ = std::move(table);
  endResetModel();
  emit ticks_changed();
}

std::int64_t MethodModel::largest() const {
  std::int64_t most = 0;
  for (const MethodRow& row : table_.rows)
    if (!row.refused) most = std::max(most, row.total());
  return most;
}

void MethodModel::set_ticked(const Key& key, bool ticked) {
  const bool differs = ticked ? ticked_.insert(key).second : ticked_.erase(key) > 0;
  if (!differs) return;
  if (!table_.rows.empty()) emit dataChanged(index(0, Method), index(rowCount() - 1, Method));
  emit ticks_changed();
}

std::vector<MethodModel::Key> MethodModel::ticked() const {
  std::vector<Key> keys;
  for (const MethodRow& row : table_.rows)
    if (!row.refused && ticked_.count({row.method, row.four_bits}))
      keys.emplace_back(row.method, row.four_bits);
  return keys;
}

void MethodModel::retranslate() {
  emit headerDataChanged(Qt::Horizontal, 0, ColumnCount - 1);
  if (!table_.rows.empty()) emit dataChanged(index(0, 0), index(rowCount() - 1, ColumnCount - 1));
}

int MethodModel::rowCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : static_cast<int>(table_.rows.size());
}
int MethodModel::columnCount(const QModelIndex&) const { return ColumnCount; }

double MethodModel::number(const MethodRow& row, int column) const {
  switch (column) {
    case Trained:
    case Share: return static_cast<double>(row.trained);
    case Weights: return static_cast<double>(row.weights);
    case Adapter: return static_cast<double>(row.adapter);
    case Gradients: return static_cast<double>(row.gradients);
    case Moments: return static_cast<double>(row.moments);
    case Masters: return static_cast<double>(row.masters);
    case Memory:
    case Sum: return static_cast<double>(row.total());
    case File: return static_cast<double>(row.file);
    default: return 0;
  }
}

QString MethodModel::text(const MethodRow& row, int column) const {
  if (column == Method) return method_label(row.method, row.four_bits);
  if (row.refused) return column == Trained ? error_text(*row.refused) : QString();
  switch (column) {
    case Trained: return count_text(row.trained);
    case Share: {
      const double share =
          100 * static_cast<double>(row.trained) / static_cast<double>(table_.parameters);
      return QStringLiteral("%1 %").arg(share, 0, 'f', share < 10 ? 2 : share < 100 ? 1 : 0);
    }
    case Memory: return {};
    default: {
      const auto bytes = static_cast<std::int64_t>(number(row, column));
      return bytes == 0 ? QStringLiteral("–") : decimal_text(bytes);
    }
  }
}

QString MethodModel::tip(const MethodRow& row) const {
  const QString name = method_label(row.method, row.four_bits);
  if (row.refused) return name + QLatin1Char('\n') + error_text(*row.refused);
  QStringList lines{name, tr("%1 of %2 parameters train")
                              .arg(grouped_text(row.trained), grouped_text(table_.parameters))};
  for (int column = Weights; column < ColumnCount; ++column)
    lines << headerData(column, Qt::Horizontal, Qt::DisplayRole).toString() + QStringLiteral(": ") +
                 text(row, column);
  return lines.join(QLatin1Char('\n'));
}

QVariant MethodModel::data(const QModelIndex& index, int role) const {
  const MethodRow& row = this->row(index.row());
  const bool refused = row.refused.has_value();
  switch (role) {
    case Qt::DisplayRole: return text(row, index.column());
    case kSortRole:
      return index.column() == Method ? QVariant(text(row, Method))
                                      : QVariant(number(row, index.column()));
    case kRefusedRole: return refused;
    case Qt::ToolTipRole: return tip(row);
    case Qt::AccessibleTextRole:
      if (index.column() == Memory && !refused) return decimal_text(row.total());
      return {};
    case Qt::TextAlignmentRole:
      return QVariant(refused || index.column() == Method ? Qt::AlignLeft | Qt::AlignVCenter
                                                          : Qt::AlignRight | Qt::AlignVCenter);
    case Qt::ForegroundRole: return refused ? QVariant(colours().muted) : QVariant();
    case Qt::DecorationRole:
      return refused && index.column() == Trained
                 ? QVariant(themed_icon(QStringLiteral("warning"), colours().warning))
                 : QVariant();
    case Qt::CheckStateRole:
      if (index.column() != Method || refused) return {};
      return ticked_.count({row.method, row.four_bits}) ? Qt::Checked : Qt::Unchecked;
    default: return {};
  }
}

bool MethodModel::setData(const QModelIndex& index, const QVariant& value, int role) {
  if (role != Qt::CheckStateRole || index.column() != Method || row(index.row()).refused)
    return false;
  set_ticked({row(index.row()).method, row(index.row()).four_bits}, value.toInt() == Qt::Checked);
  return true;
}

QVariant MethodModel::headerData(int section, Qt::Orientation orientation, int role) const {
  if (orientation != Qt::Horizontal) return {};
  if (role == Qt::TextAlignmentRole)
    return QVariant(section == Method   ? Qt::AlignLeft | Qt::AlignVCenter
                    : section == Memory ? Qt::AlignHCenter | Qt::AlignVCenter
                                        : Qt::AlignRight | Qt::AlignVCenter);
  const QString names[] = {tr("Method"),  tr("Trained"), tr("Share"),     tr("Memory"),
                           tr("Weights"), tr("Adapter"), tr("Gradients"), tr("Moments"),
                           tr("Masters"), tr("Sum"),     tr("File")};
  const QString tips[] = {
      tr("What the recipe calls it; tick those that short runs are to compare"),
      tr("Parameters that train"),
      tr("Of the model's parameters"),
      tr("What stands in memory whatever the rows are, part by part, on one scale"),
      tr("The base's weights, packed where the settings say so"),
      tr("What the method adds to the base"),
      tr("Gradients of one micro-batch"),
      tr("What the optimizer keeps for each trained number"),
      tr("float32 values of trained weights that are narrower"),
      tr("Weights, adapter, gradients, moments and masters"),
      tr("What the run leaves behind")};
  if (role == Qt::DisplayRole) return names[section];
  if (role == Qt::ToolTipRole) return tips[section];
  return {};
}

Qt::ItemFlags MethodModel::flags(const QModelIndex& index) const {
  Qt::ItemFlags flags = Qt::ItemIsEnabled | Qt::ItemIsSelectable;
  if (index.column() == Method && !row(index.row()).refused) flags |= Qt::ItemIsUserCheckable;
  return flags;
}

MethodOrder::MethodOrder(QObject* parent) : QSortFilterProxyModel(parent) {
  setSortRole(MethodModel::kSortRole);
}

bool MethodOrder::lessThan(const QModelIndex& left, const QModelIndex& right) const {
  const bool refused = left.data(MethodModel::kRefusedRole).toBool(),
             other = right.data(MethodModel::kRefusedRole).toBool();
  if (refused != other) return (sortOrder() == Qt::AscendingOrder) == other;
  return QSortFilterProxyModel::lessThan(left, right);
}

}  // namespace luthier
