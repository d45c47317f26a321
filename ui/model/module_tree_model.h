// SPDX-License-Identifier: GPL-3.0-or-later
// The checkpoint's modules as a tree with parameters summed upwards, and a tick for what trains.
// Under LoRA a tick chooses targets; under the other methods it shows what they train.
#pragma once

#include <QAbstractItemModel>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engine/models/model_summary.h"

namespace luthier {

class ModuleTreeModel : public QAbstractItemModel {
  Q_OBJECT

 public:
  enum Column { Name, Type, Shape, Dtype, Parameters, Trains, ColumnCount };
  static constexpr int kFullNameRole = Qt::UserRole + 1;

  explicit ModuleTreeModel(QObject* parent = nullptr);
  ~ModuleTreeModel() override;

  void set_summary(const ModelSummary& summary);
  void clear();
  /// What trains: full module names. `editable`: ticks may be changed (LoRA).
  void set_trained(std::set<std::string> names, bool editable);
  const std::set<std::string>& trained() const { return trained_; }
  /// Names of linears at or below `index` whose full name contains `filter`.
  std::vector<std::string> linears_below(const QModelIndex& index, const QString& filter) const;
  void retranslate();

  QModelIndex index(int row, int column, const QModelIndex& parent = {}) const override;
  QModelIndex parent(const QModelIndex& index) const override;
  int rowCount(const QModelIndex& parent = {}) const override;
  int columnCount(const QModelIndex& parent = {}) const override;
  QVariant data(const QModelIndex& index, int role) const override;
  QVariant headerData(int section, Qt::Orientation orientation, int role) const override;
  Qt::ItemFlags flags(const QModelIndex& index) const override;

 private:
  struct Node;
  Node* node_at(const QModelIndex& index) const;
  Node* child_of(Node* parent, const QString& name);
  void sum_up(Node* node);
  Qt::CheckState count_ticks(Node* node);
  void tell_ticks(const QModelIndex& parent);

  std::unique_ptr<Node> root_;
  std::set<std::string> trained_;
  bool editable_ = false;
};

/// target_modules as short as it can be said: "all-linear", suffixes that name exactly these
/// modules, or full names. Empty set: "null".
QString selector_text(const ModelSummary& summary, const std::set<std::string>& names);

}  // namespace luthier
