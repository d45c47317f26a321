// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/statistics_dialog.h"

#include <QGridLayout>
#include <QHeaderView>
#include <QLabel>
#include <QPushButton>
#include <QTableWidget>
#include <QVBoxLayout>

#include "ui/data/histogram_view.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/widgets/card.h"
#include "ui/widgets/quiet_view.h"

namespace luthier {

StatisticsDialog::StatisticsDialog(QWidget* parent) : QDialog(parent) {
  setObjectName(QStringLiteral("statisticsDialog"));
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(24, 20, 24, 20);
  layout->setSpacing(12);
  summary_ = text_label(this, true);
  summary_->setObjectName(QStringLiteral("statisticsSummary"));
  layout->addWidget(summary_);
  auto* grid = new QGridLayout;
  grid->setSpacing(16);
  constexpr int kViews = 6, kColumns = 3;
  for (int i = 0; i < kViews; ++i) {
    views_.push_back(new HistogramView(this));
    grid->addWidget(views_.back(), i / kColumns, i % kColumns);
  }
  layout->addLayout(grid, 1);
  answers_ = new QTableWidget(0, 2, this);
  answers_->setObjectName(QStringLiteral("answerTable"));
  make_quiet(answers_);
  answers_->setEditTriggers(QAbstractItemView::NoEditTriggers);
  answers_->setSelectionBehavior(QAbstractItemView::SelectRows);
  answers_->setTabKeyNavigation(false);
  answers_->verticalHeader()->hide();
  answers_->horizontalHeader()->setStretchLastSection(true);
  answers_->setMinimumHeight(150);
  layout->addWidget(answers_, 1);
  // Qt's own button takes Qt's word for it again when the language changes.
  auto* close = new QPushButton(this);
  connect(close, &QPushButton::clicked, this, &QDialog::close);
  layout->addWidget(close, 0, Qt::AlignRight);
  resize(860, 620);
  on_language(this, [this, close] {
    setWindowTitle(tr("Statistics of the rows"));
    close->setText(tr("&Close"));
    answers_->setAccessibleName(tr("The most frequent answers"));
    answers_->setHorizontalHeaderLabels({tr("Rows"), tr("Answer")});
    fill();
  });
}

void StatisticsDialog::show_statistics(const DatasetStatistics& statistics) {
  shown_ = statistics;
  fill();
  show();
  raise();
  activateWindow();
}

void StatisticsDialog::fill() {
  const auto number = [](std::size_t count) {
    return grouped_text(static_cast<std::int64_t>(count));
  };
  summary_->setText(
      tr("%1 rows, %2 of them unreadable. %3 rows have pictures, %4 in all. %5 different answers.")
          .arg(number(shown_.rows), number(shown_.unreadable), number(shown_.with_pictures),
               number(shown_.pictures),
               number(shown_.distinct_answers) +
                   (shown_.answers_counted ? QString() : QStringLiteral("+"))));
  const std::pair<QString, const Histogram*> spreads[] = {
      {tr("Tokens of a row"), &shown_.tokens},
      {tr("Learned tokens of a row"), &shown_.learned},
      {tr("Words of an answer"), &shown_.answer_words},
      {tr("Pictures of a row"), &shown_.pictures_per_row},
      {tr("Pictures' width in pixels"), &shown_.widths},
      {tr("Pictures' height in pixels"), &shown_.heights}};
  for (std::size_t i = 0; i < views_.size(); ++i)
    views_[i]->show_values(spreads[i].first, *spreads[i].second);
  answers_->setRowCount(static_cast<int>(shown_.answers.size()));
  for (int row = 0; row < answers_->rowCount(); ++row) {
    const auto& [answer, count] = shown_.answers[static_cast<std::size_t>(row)];
    auto* rows = new QTableWidgetItem(number(count));
    rows->setTextAlignment(Qt::AlignRight | Qt::AlignVCenter);
    answers_->setItem(row, 0, rows);
    answers_->setItem(row, 1, new QTableWidgetItem(QString::fromStdString(answer).simplified()));
  }
}

}  // namespace luthier
