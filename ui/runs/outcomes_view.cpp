// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/runs/outcomes_view.h"

#include <QComboBox>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QSignalBlocker>
#include <QTableWidget>
#include <QVBoxLayout>
#include <algorithm>
#include <cmath>
#include <limits>

#include "ui/format.h"
#include "ui/language.h"
#include "ui/runs/parallel_plot.h"
#include "ui/runs/setting_differences.h"
#include "ui/widgets/card.h"
#include "ui/widgets/copied_table.h"
#include "ui/widgets/quiet_view.h"
#include "ui/widgets/splitter.h"

namespace luthier {

namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

/// Sorted by what it stands for, not by its letters.
class OutcomeItem : public QTableWidgetItem {
 public:
  OutcomeItem(const QString& text, double value) : QTableWidgetItem(text), value_(value) {
    if (std::isfinite(value)) setTextAlignment(Qt::AlignRight | Qt::AlignVCenter);
  }
  bool operator<(const QTableWidgetItem& other) const override {
    const auto* figure = dynamic_cast<const OutcomeItem*>(&other);
    const bool here = std::isfinite(value_), there = figure && std::isfinite(figure->value_);
    if (here && there) return value_ < figure->value_;
    if (here != there) return here;  // what has no figure comes last
    return QTableWidgetItem::operator<(other);
  }

 private:
  double value_;
};

ParallelAxis outcome(const QString& name) {
  ParallelAxis axis;
  axis.name = name;
  axis.outcome = true;
  return axis;
}

void put(ParallelAxis& axis, const std::optional<double>& value, const QString& text) {
  axis.values << (value ? text : QString());
  axis.numbers.push_back(value.value_or(kNone));
}

/// Numbers where every run has one.
void read_numbers(ParallelAxis& axis) {
  for (const QString& value : axis.values) {
    bool number = false;
    axis.numbers.push_back(value.toDouble(&number));
    if (number) continue;
    axis.numbers.clear();
    return;
  }
}

}  // namespace

OutcomesView::OutcomesView(QWidget* parent) : QWidget(parent) {
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(0, 0, 0, 0);
  auto* head = new QHBoxLayout;
  which_label_ = new QLabel(this);
  which_ = new QComboBox(this);
  which_->setObjectName(QStringLiteral("outcomesOf"));
  which_->setMinimumWidth(200);
  which_label_->setBuddy(which_);
  note_ = muted_label(this, 0.9);
  note_->setObjectName(QStringLiteral("outcomesNote"));
  head->addWidget(which_label_);
  head->addWidget(which_);
  head->addWidget(note_, 1);
  layout->addLayout(head);
  auto* splitter = new Splitter(Qt::Vertical, this);
  auto* above = new Card(splitter);
  plot_ = new ParallelPlot(above);
  above->body()->addWidget(plot_, 1);
  splitter->addWidget(above);
  auto* below = new Card(splitter);
  table_ = new QTableWidget(below);
  table_->setObjectName(QStringLiteral("outcomesTable"));
  make_quiet(table_);
  make_copied(table_);
  table_->setEditTriggers(QAbstractItemView::NoEditTriggers);
  table_->setSelectionBehavior(QAbstractItemView::SelectRows);
  table_->setSelectionMode(QAbstractItemView::SingleSelection);
  table_->setTabKeyNavigation(false);
  table_->setShowGrid(false);
  table_->setSortingEnabled(true);
  table_->verticalHeader()->hide();
  table_->verticalHeader()->setDefaultSectionSize(28);
  below->body()->addWidget(table_);
  splitter->addWidget(below);
  splitter->setStretchFactor(0, 3);
  splitter->setStretchFactor(1, 2);
  layout->addWidget(splitter, 1);
  connect(which_, &QComboBox::currentIndexChanged, this, [this] {
    wanted_ = which_->currentData().toString();
    refresh();
  });
  connect(plot_, &ParallelPlot::chosen, this, [this](int line) {
    for (int row = 0; row < table_->rowCount(); ++row)
      if (table_->item(row, 0)->data(Qt::UserRole).toInt() == line) table_->selectRow(row);
    emit run_chosen(shown_[static_cast<std::size_t>(line)]);
  });
  connect(table_, &QTableWidget::itemSelectionChanged, this, [this] {
    const int row = table_->currentRow();
    if (row >= 0) plot_->set_chosen(table_->item(row, 0)->data(Qt::UserRole).toInt());
  });
  on_language(this, [this] {
    which_label_->setText(tr("&Of"));
    which_->setAccessibleName(tr("Whose outcomes are shown"));
    plot_->setAccessibleName(tr("Settings and outcomes as parallel coordinates"));
    table_->setAccessibleName(tr("Settings and outcomes"));
    fill_choice();
    refresh();
  });
}

void OutcomesView::show_rows(const std::vector<RunRow>& rows) {
  rows_ = rows;
  fill_choice();
  refresh();
}

void OutcomesView::show_tag(const QString& tag) {
  wanted_ = tag;
  fill_choice();
  refresh();
}

void OutcomesView::fill_choice() {
  QStringList tags;
  for (const RunRow& row : rows_)
    for (const std::string& tag : row.notes.tags) tags << QString::fromStdString(tag);
  tags.removeDuplicates();
  tags.sort();
  const QSignalBlocker quiet(which_);
  which_->clear();
  which_->addItem(tr("the ticked runs"), QString());
  for (const QString& tag : tags) which_->addItem(tag, tag);
  which_->setCurrentIndex(std::max(0, which_->findData(wanted_)));
}

void OutcomesView::refresh() {
  std::vector<const RunRow*> rows;
  const QString tag = which_->currentData().toString();
  const std::string wanted = tag.toStdString();
  for (const RunRow& row : rows_) {
    const auto& tags = row.notes.tags;
    const bool in =
        tag.isEmpty() ? row.ticked : std::find(tags.begin(), tags.end(), wanted) != tags.end();
    if (in && row.recipe) rows.push_back(&row);
  }
  // How a person sorted the table and what is chosen in it outlast that it is filled anew.
  const int chosen = table_->currentRow();
  const std::filesystem::path kept =
      chosen < 0 ? std::filesystem::path()
                 : shown_[table_->item(chosen, 0)->data(Qt::UserRole).toUInt()];
  const QHeaderView* header = table_->horizontalHeader();
  const int sorted = header->sortIndicatorSection();
  const Qt::SortOrder order = header->sortIndicatorOrder();
  const bool by_person = sorted >= 0 && sorted < table_->columnCount() &&
                         (sorted + 1 < table_->columnCount() || order == Qt::DescendingOrder);
  const QString sorted_by = by_person ? table_->horizontalHeaderItem(sorted)->text() : QString();
  shown_.clear();
  QStringList names;
  for (const RunRow* row : rows) {
    names << QString::fromStdString(row->summary.name);
    shown_.push_back(row->summary.path);
  }
  std::vector<ParallelAxis> axes;
  if (rows.size() >= 2) {
    const std::vector<SettingDifference> differences = setting_differences(rows);
    const std::map<std::string, QString> tails = value_tails(differences);
    for (const SettingDifference& difference : differences) {
      ParallelAxis axis;
      axis.name = difference.label;
      for (const std::string& value : difference.values) {
        const auto tail = tails.find(value);
        axis.values << (tail == tails.end() ? QString::fromStdString(value) : tail->second);
      }
      read_numbers(axis);
      axes.push_back(std::move(axis));
    }
  }
  ParallelAxis memory = outcome(tr("Peak memory")), time = outcome(tr("Time")),
               loss = outcome(tr("Last loss")), eval = outcome(tr("Best evaluation"));
  bool evaluated = false;
  for (const RunRow* row : rows) {
    const RunManifest& m = row->summary.manifest;
    const auto finite = [](const std::optional<double>& value) {
      return value && std::isfinite(*value) ? value : std::nullopt;
    };
    const auto above_0 = [](double value) {
      return value > 0 ? std::optional<double>(value) : std::nullopt;
    };
    put(memory, above_0(static_cast<double>(m.peak_memory)), bytes_text(m.peak_memory));
    put(time, above_0(m.seconds), duration_text(m.seconds));
    put(loss, finite(m.last_loss), number_text(m.last_loss.value_or(0)));
    put(eval, finite(m.best_eval_loss), number_text(m.best_eval_loss.value_or(0)));
    evaluated = evaluated || finite(m.best_eval_loss);
  }
  axes.push_back(std::move(memory));
  axes.push_back(std::move(time));
  axes.push_back(std::move(loss));
  if (evaluated) axes.push_back(std::move(eval));
  note_->setText(rows.size() < 2 ? tr("Tick two runs or more, or choose a tag.")
                 : evaluated     ? tr("%n runs; the strongest line has the lowest evaluation loss.",
                                      nullptr, static_cast<int>(rows.size()))
                             : tr("%n runs; the strongest line has the lowest last loss.", nullptr,
                                  static_cast<int>(rows.size())));
  table_->setSortingEnabled(false);
  table_->setRowCount(0);
  table_->setColumnCount(static_cast<int>(axes.size()) + 1);
  QStringList heads{tr("Run")};
  for (const ParallelAxis& axis : axes) heads << axis.name;
  table_->setHorizontalHeaderLabels(heads);
  for (std::size_t i = 0; i < axes.size(); ++i)  // over its figures
    if (!axes[i].numbers.empty())
      table_->horizontalHeaderItem(static_cast<int>(i) + 1)
          ->setTextAlignment(Qt::AlignRight | Qt::AlignVCenter);
  table_->setRowCount(static_cast<int>(rows.size()));
  for (int row = 0; row < static_cast<int>(rows.size()); ++row) {
    auto* name = new QTableWidgetItem(names[row]);
    name->setData(Qt::UserRole, row);
    table_->setItem(row, 0, name);
    for (std::size_t i = 0; i < axes.size(); ++i) {
      const double number =
          axes[i].numbers.empty() ? kNone : axes[i].numbers[static_cast<std::size_t>(row)];
      table_->setItem(row, static_cast<int>(i) + 1, new OutcomeItem(axes[i].values[row], number));
    }
  }
  table_->setSortingEnabled(true);
  const auto column = static_cast<int>(heads.indexOf(sorted_by));
  if (by_person && column >= 0)
    table_->sortByColumn(column, order);
  else
    table_->sortByColumn(static_cast<int>(axes.size()), Qt::AscendingOrder);
  table_->resizeColumnsToContents();
  plot_->show_lines(rows.size() >= 2 ? names : QStringList(),
                    rows.size() >= 2 ? std::move(axes) : std::vector<ParallelAxis>());
  for (int row = 0; row < table_->rowCount(); ++row)
    if (shown_[table_->item(row, 0)->data(Qt::UserRole).toUInt()] == kept) table_->selectRow(row);
}

}  // namespace luthier
