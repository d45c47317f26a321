// SPDX-License-Identifier: GPL-3.0-or-later
// Building a page of cells and refreshing those whose answers grew, ten times a second at most.
#include "ui/compare/compare_grid.h"

#include <QGridLayout>
#include <QLabel>

#include "ui/compare/answer_cell.h"
#include "ui/compare/column_head.h"
#include "ui/compare/sample_cell.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/theme.h"
#include "ui/widgets/card.h"

namespace luthier {

namespace {
constexpr int kSampleWidth = 212, kColumnWidth = 212, kRefreshMilliseconds = 100;
}

CompareGrid::CompareGrid(Workspace& workspace, Comparison& comparison, QWidget* parent)
    : QScrollArea(parent), workspace_(workspace), comparison_(comparison) {
  setObjectName(QStringLiteral("compareGrid"));
  setWidgetResizable(true);
  setFrameShape(QFrame::NoFrame);
  timer_.setSingleShot(true);
  timer_.setInterval(kRefreshMilliseconds);
  connect(&timer_, &QTimer::timeout, this, [this] {
    for (const auto& [sample, column] : stale_) refresh_cell(sample, column);
    stale_.clear();
    refresh_scores();
  });
  connect(&comparison_, &Comparison::columns_changed, this, &CompareGrid::rebuild);
  connect(&comparison_, &Comparison::samples_changed, this, [this] { show_page(0); });
  connect(&comparison_, &Comparison::running_changed, this, &CompareGrid::refresh_waiting);
  connect(&comparison_, &Comparison::answer_changed, this, [this](std::size_t sample, std::size_t column) {
    stale_.insert({sample, column});
    if (column == comparison_.reference())
      for (std::size_t c = 0; c < comparison_.columns().size(); ++c) stale_.insert({sample, c});
    if (!timer_.isActive()) timer_.start();
  });
  connect(&Theme::instance(), &Theme::changed, this, &CompareGrid::rebuild);
  on_language(this, [this] { rebuild(); });
}

std::size_t CompareGrid::page_count() const { return std::max<std::size_t>(1, (comparison_.samples().size() + kPerPage - 1) / kPerPage); }

void CompareGrid::show_page(std::size_t page) {
  page_ = std::min(page, page_count() - 1);
  rebuild();
}

void CompareGrid::rebuild() {
  page_ = std::min(page_, page_count() - 1);
  cells_.clear();
  scores_.clear();
  stale_.clear();
  // The old page goes once its own signals have returned: a head's click leads here.
  if (QWidget* old = takeWidget()) {
    old->hide();
    old->deleteLater();
  }
  inside_ = new QWidget;
  grid_ = new QGridLayout(inside_);
  grid_->setContentsMargins(0, 0, 0, 0);
  grid_->setSpacing(0);
  grid_->setColumnMinimumWidth(0, kSampleWidth);
  grid_->setColumnStretch(0, 2);
  for (std::size_t c = 0; c < comparison_.columns().size(); ++c) {
    grid_->setColumnMinimumWidth(static_cast<int>(c) + 1, kColumnWidth);
    grid_->setColumnStretch(static_cast<int>(c) + 1, 3);
  }
  add_heads();
  const std::size_t first = page_ * kPerPage, last = std::min(first + kPerPage, comparison_.samples().size());
  int row = 1;
  add_scores(row++);
  for (std::size_t s = first; s < last; ++s) add_sample(s, row++);
  grid_->setRowStretch(row, 1);
  setWidget(inside_);
  inside_->show();
  refresh_waiting();
}

void CompareGrid::add_heads() {
  auto* corner = new SampleCell(inside_);
  corner->show_text(tr("Sample"));
  grid_->addWidget(corner, 0, 0);
  for (std::size_t c = 0; c < comparison_.columns().size(); ++c) {
    const AttachedAdapter* adapter = nullptr;
    for (const AttachedAdapter& each : workspace_.adapters())
      if (comparison_.columns()[c].name == each.name) adapter = &each;
    auto* head = new ColumnHead(adapter, c == comparison_.reference(), inside_);
    grid_->addWidget(head, 0, static_cast<int>(c) + 1);
    connect(head, &ColumnHead::reference_asked, &comparison_, [this, c] { comparison_.set_reference(c); });
    if (!adapter) continue;
    const std::string name = adapter->name;
    connect(head, &ColumnHead::drop_asked, this, [this, name] { workspace_.session().drop_adapter(name); });
    connect(head, &ColumnHead::strength_chosen, this, [this, name](double strength) {
      workspace_.set_strength(name, strength);
      comparison_.forget(name);
    }, Qt::QueuedConnection);
  }
}

void CompareGrid::add_sample(std::size_t sample, int row) {
  auto* cell = new SampleCell(inside_);
  cell->show_sample(comparison_.picture(sample), comparison_.question(sample), comparison_.expected(sample));
  grid_->addWidget(cell, row, 0);
  std::vector<AnswerCell*> cells;
  for (std::size_t c = 0; c < comparison_.columns().size(); ++c) {
    auto* answer = new AnswerCell(inside_);
    answer->setObjectName(QStringLiteral("answer_%1_%2").arg(sample).arg(c));
    grid_->addWidget(answer, row, static_cast<int>(c) + 1);
    cells.push_back(answer);
  }
  cells_.push_back(std::move(cells));
}

void CompareGrid::add_scores(int row) {
  auto* name = new SampleCell(inside_);
  name->show_text(tr("Exact match"));
  grid_->addWidget(name, row, 0);
  for (std::size_t c = 0; c < comparison_.columns().size(); ++c) {
    auto* cell = new SampleCell(inside_);
    QLabel* label = cell->show_text(QString());
    label->setObjectName(QStringLiteral("score_%1").arg(c));
    label->setFont(scaled_font(1.1, true));
    grid_->addWidget(cell, row, static_cast<int>(c) + 1);
    scores_.push_back(label);
  }
  refresh_scores();
}

void CompareGrid::refresh_cell(std::size_t sample, std::size_t column) {
  const std::size_t first = page_ * kPerPage;
  if (sample < first || sample - first >= cells_.size() || column >= cells_[sample - first].size()) return;
  const auto& columns = comparison_.columns();
  if (column >= columns.size() || sample >= columns[column].answers.size()) return;
  const Answer& reference = columns[comparison_.reference()].answers[sample];
  const QString* against = column != comparison_.reference() && reference.final ? &reference.text : nullptr;
  cells_[sample - first][column]->show_answer(columns[column].answers[sample], against, comparison_.expected(sample), comparison_.running());
}

void CompareGrid::refresh_waiting() {
  for (std::size_t s = 0; s < cells_.size(); ++s)
    for (std::size_t c = 0; c < cells_[s].size(); ++c) refresh_cell(page_ * kPerPage + s, c);
  refresh_scores();
}

void CompareGrid::refresh_scores() {
  for (std::size_t c = 0; c < scores_.size() && c < comparison_.columns().size(); ++c) {
    const auto [right, counted] = comparison_.exact_matches(c);
    scores_[c]->setText(counted > 0 ? tr("%1  (%2 of %3)").arg(percent_text(right, counted)).arg(right).arg(counted) : QStringLiteral("–"));
  }
}

}  // namespace luthier
