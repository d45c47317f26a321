// SPDX-License-Identifier: GPL-3.0-or-later
// The table of methods (forecast/method_table.h) as a view shows it: a tick for those that are to
// run, figures in powers of ten, and of a refused method the reason in place of its figures.
#pragma once

#include <QAbstractTableModel>
#include <QSortFilterProxyModel>
#include <set>
#include <utility>

#include "engine/forecast/method_table.h"

namespace luthier {

/// "LoRA, 4 bits".
QString method_label(const std::string& method, bool four_bits);

class MethodModel : public QAbstractTableModel {
  Q_OBJECT

 public:
  enum Column {
    Method,
    Trained,
    Share,
    Memory,
    Weights,
    Adapter,
    Gradients,
    Moments,
    Masters,
    Sum,
    File,
    ColumnCount
  };
  static constexpr int kSortRole = Qt::UserRole;         ///< numbers
  static constexpr int kRefusedRole = Qt::UserRole + 1;  ///< bool
  using Key = std::pair<std::string, bool>;              ///< method, four bits

  explicit MethodModel(QObject* parent = nullptr) : QAbstractTableModel(parent) {}
  /// Ticks of methods that were there before are kept.
  void set_table(MethodTable table);
  const MethodTable& table() const { return table_; }
  const MethodRow& row(int index) const { return table_.rows[static_cast<std::size_t>(index)]; }
  /// Of all rows that are not refused: every bar is as long as its share of it.
  std::int64_t largest() const;
  void set_ticked(const Key& key, bool ticked);
  /// In the table's order; what is refused now is none of them.
  std::vector<Key> ticked() const;
  void retranslate();

  int rowCount(const QModelIndex& parent = {}) const override;
  int columnCount(const QModelIndex& parent = {}) const override;
  QVariant data(const QModelIndex& index, int role) const override;
  bool setData(const QModelIndex& index, const QVariant& value, int role) override;
  QVariant headerData(int section, Qt::Orientation orientation, int role) const override;
  Qt::ItemFlags flags(const QModelIndex& index) const override;

 signals:
  void ticks_changed();

 private:
  QString text(const MethodRow& row, int column) const;
  double number(const MethodRow& row, int column) const;
  QString tip(const MethodRow& row) const;

  MethodTable table_;
  std::set<Key> ticked_;
};

/// By figures; what is refused stands last whichever way.
class MethodOrder : public QSortFilterProxyModel {
  Q_OBJECT

 public:
  explicit MethodOrder(QObject* parent = nullptr);

 protected:
  bool lessThan(const QModelIndex& left, const QModelIndex& right) const override;
};

}  // namespace luthier
