// SPDX-License-Identifier: GPL-3.0-or-later
// Building a page of cells and refreshing those whose answers grew, ten times a second at most.
#include "ui/compare/compare_grid.h"

#include <QGridLayout>
#include <QLabel>

#include "engine/compare/scores.h"
#include "ui/compare/answer_cell.h"
#include "ui/compare/column_head.h"
#include "ui/compare/sample_cell.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/theme.h"
#include "ui/widgets/card.h"

namespace luthier {

namespace {
/// Measures that are called alike in every language.
constexpr std::pair<const char*, const char*> kPapersNames[] = {
    {"rouge_l", "ROUGE-L"}, {"bleu", "BLEU"}, {"chrf", "chrF"}, {"anls", "ANLS"}};
constexpr int kSampleWidth = 212, kColumnWidth = 212, kRefreshMilliseconds = 100;
}  // namespace

CompareGrid::CompareGrid(Workspace& workspace, LiveComparison& comparison, QWidget* parent)
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
  connect(&comparison_, &LiveComparison::columns_changed, this, &CompareGrid::rebuild);
  connect(&comparison_, &LiveComparison::samples_changed, this, [this] { show_page(0); });
  connect(&comparison_, &LiveComparison::running_changed, this, &CompareGrid::refresh_waiting);
  const auto grew = [this](std::size_t sample, std::size_t column) {
    const Comparison& data = comparison_.data();
    stale_.insert({sample, column});
    if (column == data.reference)
      for (std::size_t c = 0; c < data.columns.size(); ++c) stale_.insert({sample, c});
    if (!timer_.isActive()) timer_.start();
  };
  connect(&comparison_, &LiveComparison::answer_changed, this, grew);
  connect(&Theme::instance(), &Theme::changed, this, &CompareGrid::rebuild);
  on_language(this, [this] { rebuild(); });
}

std::size_t CompareGrid::page_count() const {
  const std::size_t rows = comparison_.data().rows.size();
  return std::max<std::size_t>(1, (rows + kPerPage - 1) / kPerPage);
}

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
  for (std::size_t c = 0; c < comparison_.data().columns.size(); ++c) {
    grid_->setColumnMinimumWidth(static_cast<int>(c) + 1, kColumnWidth);
    grid_->setColumnStretch(static_cast<int>(c) + 1, 3);
  }
  add_heads();
  const std::size_t first = page_ * kPerPage;
  const std::size_t last = std::min(first + kPerPage, comparison_.data().rows.size());
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
  for (std::size_t c = 0; c < comparison_.data().columns.size(); ++c) {
    const AttachedAdapter* adapter = comparison_.attached(c);
    auto* head = new ColumnHead(adapter, c == comparison_.data().reference, inside_);
    grid_->addWidget(head, 0, static_cast<int>(c) + 1);
    const auto choose = [this, c] { comparison_.set_reference(c); };
    connect(head, &ColumnHead::reference_asked, &comparison_, choose);
    if (!adapter) continue;
    const std::string name = adapter->name;
    connect(head, &ColumnHead::drop_asked, this,
            [this, name] { workspace_.session().drop_adapter(name); });
    connect(
        head, &ColumnHead::strength_chosen, this,
        [this, name](double strength) {
          workspace_.set_strength(name, strength);
          comparison_.set_strength(name, strength);
        },
        Qt::QueuedConnection);
  }
}

void CompareGrid::add_sample(std::size_t sample, int row) {
  auto* cell = new SampleCell(inside_);
  cell->show_sample(comparison_.data().rows[sample].sample);
  connect(cell, &SampleCell::score_asked, this,
          [this, sample] { emit score_asked(sample, kExpectedAnswer, -1); });
  grid_->addWidget(cell, row, 0);
  std::vector<AnswerCell*> cells;
  for (std::size_t c = 0; c < comparison_.data().columns.size(); ++c) {
    auto* answer = new AnswerCell(inside_);
    answer->setObjectName(QStringLiteral("answer_%1_%2").arg(sample).arg(c));
    const std::string name = comparison_.data().columns[c].name;
    answer->set_name(c > 0 ? QString::fromStdString(name) : tr("base"));
    connect(answer, &AnswerCell::score_asked, this,
            [this, sample, name](int token) { emit score_asked(sample, name, token); });
    grid_->addWidget(answer, row, static_cast<int>(c) + 1);
    cells.push_back(answer);
  }
  cells_.push_back(std::move(cells));
}

void CompareGrid::add_scores(int row) {
  auto* name = new SampleCell(inside_);
  name->show_text(tr("Exact match"));
  grid_->addWidget(name, row, 0);
  for (std::size_t c = 0; c < comparison_.data().columns.size(); ++c) {
    auto* cell = new SampleCell(inside_);
    QLabel* exact = cell->show_text(QString());
    exact->setObjectName(QStringLiteral("score_%1").arg(c));
    exact->setFont(scaled_font(1.1, true));
    QLabel* others = muted_label(cell, 0.85);
    others->setObjectName(QStringLiteral("scores_%1").arg(c));
    cell->layout()->addWidget(others);
    grid_->addWidget(cell, row, static_cast<int>(c) + 1);
    scores_.push_back({exact, others});
  }
  refresh_scores();
}

void CompareGrid::refresh_cell(std::size_t sample, std::size_t column) {
  const std::size_t first = page_ * kPerPage;
  if (sample < first || sample - first >= cells_.size() || column >= cells_[sample - first].size())
    return;
  const Comparison& data = comparison_.data();
  if (sample >= data.rows.size() || column >= data.rows[sample].answers.size()) return;
  const auto& answers = data.rows[sample].answers;
  const ComparisonAnswer& reference = answers[data.reference];
  const bool other = column != data.reference && reference.whole();
  AnswerCell* cell = cells_[sample - first][column];
  cell->show_answer(answers[column], other ? &reference.text : nullptr, comparison_.running(),
                    comparison_.fading(sample, column));
}

void CompareGrid::refresh_waiting() {
  for (std::size_t s = 0; s < cells_.size(); ++s)
    for (std::size_t c = 0; c < cells_[s].size(); ++c) refresh_cell(page_ * kPerPage + s, c);
  refresh_scores();
}

void CompareGrid::refresh_scores() {
  for (std::size_t c = 0; c < scores_.size() && c < comparison_.data().columns.size(); ++c) {
    const auto scores = column_scores(comparison_.data(), c);
    const auto text = [&](const char* key) {
      const auto found = scores.find(key);
      return found == scores.end() ? QString() : percent_text(found->second.mean, 1);
    };
    const auto exact = scores.find("exact");
    scores_[c].exact->setText(
        exact == scores.end()
            ? QStringLiteral("–")
            : tr("%1 of %2").arg(text("exact"), QString::number(exact->second.of)));
    QStringList others;
    if (scores.contains("pattern")) others << tr("pattern %1").arg(text("pattern"));
    if (scores.contains("token_f1")) others << tr("token F1 %1").arg(text("token_f1"));
    for (const auto& [key, name] : kPapersNames)
      if (scores.contains(key))
        others << QStringLiteral("%1 %2").arg(QLatin1String(name), text(key));
    if (scores.contains("box")) others << tr("box overlap %1").arg(text("box"));
    if (scores.contains("json")) others << tr("valid JSON %1").arg(text("json"));
    if (const auto cider = scores.find(kCiderScore); cider != scores.end())
      others << QStringLiteral("CIDEr-D %1").arg(QString::number(cider->second.mean, 'f', 2));
    if (const auto reward = scores.find(kRewardScore); reward != scores.end())
      others << tr("reward %1").arg(number_text(reward->second.mean, 3));
    if (const auto wins = scores.find(kWinRate); wins != scores.end())
      others << tr("win rate %1 of %2").arg(text(kWinRate), QString::number(wins->second.of));
    scores_[c].others->setText(others.join(QStringLiteral("  ·  ")));
  }
}

}  // namespace luthier
