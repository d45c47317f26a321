// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/merge/tried_merges.h"

#include <QHeaderView>

#include "ui/format.h"
#include "ui/language.h"
#include "ui/merge/live_merge.h"
#include "ui/widgets/copied_table.h"
#include "ui/widgets/quiet_view.h"

namespace luthier {

namespace {

enum Column { Weights, Type, Rank, Exact, TokenF1, Chrf, OffBy, ColumnCount };

QString type_text(const CombineOptions& how) {
  QString text = QString::fromStdString(how.combination_type);
  if (how.density) text += QStringLiteral(" %1").arg(*how.density, 0, 'f', 2);
  return text;
}

}  // namespace

TriedMerges::TriedMerges(LiveMerge& merge, QWidget* parent) : QTableWidget(parent), merge_(merge) {
  setObjectName(QStringLiteral("triedMerges"));
  setColumnCount(ColumnCount);
  make_quiet(this);
  make_copied(this);
  setShowGrid(false);
  setEditTriggers(QAbstractItemView::NoEditTriggers);
  setSelectionBehavior(QAbstractItemView::SelectRows);
  setSelectionMode(QAbstractItemView::SingleSelection);
  setTabKeyNavigation(false);
  setWordWrap(false);
  verticalHeader()->hide();
  verticalHeader()->setDefaultSectionSize(26);
  horizontalHeader()->setHighlightSections(false);
  horizontalHeader()->setMinimumSectionSize(56);
  horizontalHeader()->setSectionResizeMode(QHeaderView::ResizeToContents);
  horizontalHeader()->setSectionResizeMode(Weights, QHeaderView::Stretch);
  connect(&merge_, &LiveMerge::changed, this, &TriedMerges::fill);
  connect(&merge_, &LiveMerge::rows_changed, this, &TriedMerges::fill);
  connect(this, &QTableWidget::cellActivated, this,
          [this](int row, int) { emit chosen(static_cast<std::size_t>(row)); });
  on_language(this, [this] { fill(); });
}

void TriedMerges::fill() {
  setHorizontalHeaderLabels({tr("Weights"), tr("Type"), tr("Rank"), tr("Exact"), tr("Token F1"),
                             tr("chrF"), tr("Off by")});
  horizontalHeaderItem(ColumnCount - 1)
      ->setToolTip(tr("Merged against unmerged: how far the logits are off, of the largest"));
  for (int column = Type + 1; column < ColumnCount; ++column)
    horizontalHeaderItem(column)->setTextAlignment(Qt::AlignRight | Qt::AlignVCenter);
  setToolTip(tr("Double click: these settings again"));
  setAccessibleName(tr("What was tried"));
  const auto& tried = merge_.tried();
  setRowCount(static_cast<int>(tried.size()));
  for (std::size_t i = 0; i < tried.size(); ++i) {
    const TriedMerge& each = tried[i];
    QStringList weights;
    for (const double weight : each.recipe.how.weights) weights << QString::number(weight, 'f', 2);
    const auto score = [&](const char* key) {
      const auto found = each.scores.find(key);
      return found == each.scores.end() ? QStringLiteral("–") : percent_text(found->second.mean, 1);
    };
    const QString texts[ColumnCount] = {
        weights.join(QStringLiteral(" · ")),
        each.recipe.folders.size() == 1 ? QStringLiteral("–") : type_text(each.recipe.how),
        each.rank > 0 ? QString::number(each.rank) : QStringLiteral("–"),
        score("exact"),
        score("token_f1"),
        score("chrf"),
        each.difference ? QString::number(*each.difference, 'e', 1) : QStringLiteral("–")};
    for (int column = 0; column < ColumnCount; ++column) {
      auto* item = new QTableWidgetItem(texts[column]);
      if (column > Type) item->setTextAlignment(Qt::AlignRight | Qt::AlignVCenter);
      setItem(static_cast<int>(i), column, item);
    }
  }
}

}  // namespace luthier
