// SPDX-License-Identifier: GPL-3.0-or-later
// Filling them. A cell of figures keeps its number, by which a heading sorts.
#include "ui/ranks/rank_tables.h"

#include <QFontMetrics>
#include <QHeaderView>
#include <QPixmap>
#include <QToolButton>
#include <algorithm>

#include "ui/format.h"
#include "ui/theme.h"
#include "ui/widgets/copied_table.h"
#include "ui/widgets/quiet_view.h"

namespace luthier {

namespace {

constexpr int kNumber = Qt::UserRole, kModule = Qt::UserRole + 1;
constexpr int kDropColumn = 5;

class FigureItem : public QTableWidgetItem {
 public:
  FigureItem(const QString& text, double number) : QTableWidgetItem(text) {
    setTextAlignment(Qt::AlignRight | Qt::AlignVCenter);
    setData(kNumber, number);
  }
  bool operator<(const QTableWidgetItem& other) const override {
    return data(kNumber).toDouble() < other.data(kNumber).toDouble();
  }
};

/// As wide as their heads and figures; the names get the rest. A name's end tells more than its
/// beginning.
void fit_figures(QTableWidget* table, int last) {
  constexpr int kHeadRoom = 14, kCellRoom = 14;
  const QFontMetrics heads = table->horizontalHeader()->fontMetrics(), cells = table->fontMetrics();
  for (int column = 1; column <= last; ++column) {
    QTableWidgetItem* head = table->horizontalHeaderItem(column);
    head->setTextAlignment(Qt::AlignRight | Qt::AlignVCenter);
    int wide = heads.horizontalAdvance(head->text()) + kHeadRoom;
    for (int row = 0; row < table->rowCount(); ++row)
      if (const QTableWidgetItem* item = table->item(row, column))
        wide = std::max(wide, cells.horizontalAdvance(item->text()) + kCellRoom);
    table->setColumnWidth(column, wide);
  }
}

/// The first column goes by the place that the module has in the model.
class ModuleItem : public QTableWidgetItem {
 public:
  ModuleItem(const QString& text, std::size_t module) : QTableWidgetItem(text) {
    setData(kModule, static_cast<qulonglong>(module));
  }
  bool operator<(const QTableWidgetItem& other) const override {
    return data(kModule).toULongLong() < other.data(kModule).toULongLong();
  }
};

void make_ranks_table(QTableWidget* table, const QString& name, int columns) {
  table->setObjectName(name);
  table->setColumnCount(columns);
  make_quiet(table);
  make_copied(table);
  table->setShowGrid(false);
  table->setEditTriggers(QAbstractItemView::NoEditTriggers);
  table->setSelectionBehavior(QAbstractItemView::SelectRows);
  table->setSelectionMode(QAbstractItemView::SingleSelection);
  table->setTabKeyNavigation(false);
  table->setWordWrap(false);
  table->verticalHeader()->hide();
  table->verticalHeader()->setDefaultSectionSize(26);
  table->horizontalHeader()->setHighlightSections(false);
  table->setTextElideMode(Qt::ElideLeft);
  table->horizontalHeader()->setSectionResizeMode(QHeaderView::Fixed);
  table->horizontalHeader()->setSectionResizeMode(0, QHeaderView::Stretch);
}

std::int64_t largest_rank(const AdapterRanks& ranks) {
  std::int64_t most = 0;
  for (const ModuleRanks& module : ranks.modules) most = std::max(most, module.rank);
  return most;
}

}  // namespace

QColor rank_colour(std::size_t place) {
  const auto& series = colours().series;
  return series[place % series.size()];
}

RankAdapters::RankAdapters(QWidget* parent) : QTableWidget(parent) {
  make_ranks_table(this, QStringLiteral("rankAdapters"), kDropColumn + 1);
  connect(this, &QTableWidget::currentCellChanged, this, [this](int row) {
    if (!filling_ && row >= 0) emit chosen(row);
  });
}

void RankAdapters::show_adapters(const std::vector<RankedAdapter>& adapters, std::size_t current) {
  filling_ = true;
  setHorizontalHeaderLabels(
      {tr("Adapter"), tr("Rank"), tr("Effective"), tr("Used"), tr("Norm"), QString()});
  horizontalHeaderItem(2)->setToolTip(
      tr("The mean over the modules of exp(entropy of the singular values' shares)"));
  horizontalHeaderItem(3)->setToolTip(tr("Effective rank of the rank"));
  setRowCount(static_cast<int>(adapters.size()));
  for (int row = 0; row < rowCount(); ++row) fill_row(row, adapters[static_cast<std::size_t>(row)]);
  fit_figures(this, kDropColumn - 1);
  setColumnWidth(kDropColumn, 34);
  if (current < adapters.size()) setCurrentCell(static_cast<int>(current), 0);
  filling_ = false;
}

void RankAdapters::fill_row(int row, const RankedAdapter& adapter) {
  QPixmap mark(10, 10);
  mark.fill(rank_colour(static_cast<std::size_t>(row)));
  auto* name =
      new QTableWidgetItem(adapter.live ? tr("%1 (trains)").arg(adapter.name) : adapter.name);
  QIcon icon(mark);
  icon.addPixmap(mark, QIcon::Selected);  // else the selection's colour lies over it
  name->setIcon(icon);
  name->setToolTip(adapter.folder);
  setItem(row, 0, name);
  QString texts[4];
  if (adapter.ranks) {
    const std::int64_t rank = largest_rank(*adapter.ranks);
    const double effective = mean_effective_rank(*adapter.ranks);
    texts[0] = QString::number(rank);
    texts[1] = QString::number(effective, 'f', 2);
    texts[2] = percent_text(effective, static_cast<double>(rank));
    texts[3] = number_text(adapter.ranks->norm, 3);
  } else {
    texts[0] = QStringLiteral("…");
  }
  for (int column = 0; column < 4; ++column)
    setItem(row, column + 1, new FigureItem(texts[column], 0));
  auto* drop = new QToolButton(this);
  drop->setObjectName(QStringLiteral("dropRanks_%1").arg(row));
  drop->setAutoRaise(true);
  set_themed_icon(drop, QStringLiteral("close"));
  drop->setToolTip(tr("Take it out of the list"));
  drop->setAccessibleName(tr("%1: take it out of the list").arg(adapter.name));
  // The button goes with its row: after its own click has returned.
  connect(
      drop, &QToolButton::clicked, this, [this, row] { emit drop_asked(row); },
      Qt::QueuedConnection);
  setCellWidget(row, kDropColumn, drop);
}

RankModules::RankModules(QWidget* parent) : QTableWidget(parent) {
  make_ranks_table(this, QStringLiteral("rankModules"), 5);
  horizontalHeader()->setSortIndicator(0, Qt::AscendingOrder);
  connect(this, &QTableWidget::currentCellChanged, this, [this](int row) {
    if (!filling_ && row >= 0) emit chosen(item(row, 0)->data(kModule).toULongLong());
  });
}

void RankModules::show_modules(std::shared_ptr<const AdapterRanks> ranks,
                               const std::string& module) {
  filling_ = true;
  ranks_ = std::move(ranks);
  setSortingEnabled(false);  // else a row moves away while its cells are filled
  setHorizontalHeaderLabels(
      {tr("Module"), tr("Rank"), tr("Effective"), tr("For 99 %"), tr("Norm")});
  horizontalHeaderItem(3)->setToolTip(tr("How many values hold 99 % of the squared norm"));
  setRowCount(ranks_ ? static_cast<int>(ranks_->modules.size()) : 0);
  for (int row = 0; row < rowCount(); ++row) {
    const ModuleRanks& each = ranks_->modules[static_cast<std::size_t>(row)];
    auto* name = new ModuleItem(short_module_name(each.name), static_cast<std::size_t>(row));
    name->setToolTip(QString::fromStdString(each.name) + QLatin1Char('\n') +
                     shape_text(each.shape));
    setItem(row, 0, name);
    setItem(row, 1, new FigureItem(QString::number(each.rank), static_cast<double>(each.rank)));
    setItem(row, 2, new FigureItem(QString::number(each.effective, 'f', 2), each.effective));
    setItem(row, 3,
            new FigureItem(QString::number(each.holding), static_cast<double>(each.holding)));
    setItem(row, 4, new FigureItem(number_text(each.norm, 3), each.norm));
  }
  fit_figures(this, columnCount() - 1);
  setSortingEnabled(true);
  filling_ = false;
  choose(module);
}

void RankModules::choose(const std::string& module) {
  filling_ = true;
  int chosen_row = rowCount() > 0 ? 0 : -1;
  for (int row = 0; row < rowCount(); ++row) {
    const std::size_t at = item(row, 0)->data(kModule).toULongLong();
    if (ranks_->modules[at].name == module) chosen_row = row;
  }
  if (chosen_row >= 0) setCurrentCell(chosen_row, 0);
  filling_ = false;
}

std::string RankModules::current_module() const {
  const QTableWidgetItem* name = currentRow() >= 0 ? item(currentRow(), 0) : nullptr;
  return name ? ranks_->modules[name->data(kModule).toULongLong()].name : std::string();
}

}  // namespace luthier
