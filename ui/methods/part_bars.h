// SPDX-License-Identifier: GPL-3.0-or-later
// The column of stacked bars: parts of what stands in memory, on one scale for all methods.
#pragma once

#include <QStyledItemDelegate>

#include "ui/widgets/legend.h"
#include "ui/widgets/stacked_bar.h"

class QAbstractProxyModel;

namespace luthier {

struct MethodRow;
class MethodModel;

/// Weights, adapter, gradients, moments, masters.
std::vector<StackedBar::Part> memory_parts(const MethodRow& row);
/// What the colours say.
std::vector<LegendEntry> memory_legend();

class PartBars : public QStyledItemDelegate {
  Q_OBJECT

 public:
  /// `order`: the view's rows in the model's order.
  PartBars(const MethodModel& model, const QAbstractProxyModel& order, QObject* parent)
      : QStyledItemDelegate(parent), model_(model), order_(order) {}
  void paint(QPainter* painter, const QStyleOptionViewItem& option,
             const QModelIndex& index) const override;

 private:
  const MethodModel& model_;
  const QAbstractProxyModel& order_;
};

}  // namespace luthier
