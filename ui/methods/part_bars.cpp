// SPDX-License-Identifier: GPL-3.0-or-later
// Painting of the bars.
#include "ui/methods/part_bars.h"

#include <QApplication>
#include <QPainter>

#include "ui/methods/method_model.h"
#include "ui/theme.h"

namespace luthier {

namespace {

/// Where the forecast card has the same part, its colour there.
constexpr std::size_t kColours[] = {0, 1, 2, 3, 9};
constexpr int kBarHeight = 14, kBeside = 10;

}  // namespace

std::vector<StackedBar::Part> memory_parts(const MethodRow& row) {
  const QString names[] = {MethodModel::tr("weights"), MethodModel::tr("adapter"),
                           MethodModel::tr("gradients"), MethodModel::tr("moments"),
                           MethodModel::tr("masters")};
  const std::int64_t bytes[] = {row.weights, row.adapter, row.gradients, row.moments, row.masters};
  std::vector<StackedBar::Part> parts;
  for (std::size_t i = 0; i < std::size(bytes); ++i)
    parts.push_back({colours().parts[kColours[i]], static_cast<double>(bytes[i]), names[i]});
  return parts;
}

std::vector<LegendEntry> memory_legend() {
  std::vector<LegendEntry> entries;
  for (const StackedBar::Part& part : memory_parts({}))
    entries.push_back({LegendEntry::Mark::Block, part.colour, part.name, {}});
  return entries;
}

void PartBars::paint(QPainter* painter, const QStyleOptionViewItem& option,
                     const QModelIndex& index) const {
  QStyleOptionViewItem ground = option;
  initStyleOption(&ground, index);
  ground.text.clear();
  ground.icon = {};
  QStyle* style = ground.widget ? ground.widget->style() : QApplication::style();
  style->drawControl(QStyle::CE_ItemViewItem, &ground, painter, ground.widget);
  const MethodRow& row = model_.row(order_.mapToSource(index).row());
  if (row.refused) return;
  QRectF box = QRectF(option.rect).adjusted(kBeside, 0, -kBeside, 0);
  box.setTop(box.center().y() - kBarHeight / 2.0);
  box.setHeight(kBarHeight);
  painter->save();
  painter->setRenderHint(QPainter::Antialiasing);
  StackedBar::draw(*painter, box, memory_parts(row), static_cast<double>(model_.largest()));
  painter->restore();
}

}  // namespace luthier
