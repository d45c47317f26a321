// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/merge/merge_answers.h"

#include <QGridLayout>
#include <algorithm>

#include "ui/compare/answer_cell.h"
#include "ui/compare/sample_cell.h"
#include "ui/language.h"
#include "ui/merge/live_merge.h"
#include "ui/theme.h"

namespace luthier {

namespace {
constexpr int kSampleWidth = 212, kRefreshMilliseconds = 100;
}

MergeAnswers::MergeAnswers(LiveMerge& merge, QWidget* parent) : QScrollArea(parent), merge_(merge) {
  setObjectName(QStringLiteral("mergeAnswers"));
  setWidgetResizable(true);
  setFrameShape(QFrame::NoFrame);
  timer_.setSingleShot(true);
  timer_.setInterval(kRefreshMilliseconds);
  connect(&timer_, &QTimer::timeout, this, [this] {
    for (const std::size_t sample : stale_) refresh_cell(sample);
    stale_.clear();
  });
  connect(&merge_, &LiveMerge::rows_changed, this, &MergeAnswers::rebuild);
  connect(&merge_, &LiveMerge::changed, this, &MergeAnswers::refresh_all);
  connect(&merge_, &LiveMerge::answer_changed, this, [this](std::size_t sample) {
    stale_.insert(sample);
    if (!timer_.isActive()) timer_.start();
  });
  connect(&Theme::instance(), &Theme::changed, this, &MergeAnswers::rebuild);
  on_language(this, [this] { rebuild(); });
}

std::size_t MergeAnswers::page_count() const {
  return std::max<std::size_t>(1, (merge_.rows().size() + kPerPage - 1) / kPerPage);
}

void MergeAnswers::show_page(std::size_t page) {
  page_ = std::min(page, page_count() - 1);
  rebuild();
}

void MergeAnswers::rebuild() {
  page_ = std::min(page_, page_count() - 1);
  cells_.clear();
  stale_.clear();
  if (QWidget* old = takeWidget()) {
    old->hide();
    old->deleteLater();
  }
  auto* inside = new QWidget;
  auto* grid = new QGridLayout(inside);
  grid->setContentsMargins(0, 0, 0, 0);
  grid->setSpacing(0);
  grid->setColumnMinimumWidth(0, kSampleWidth);
  grid->setColumnStretch(0, 2);
  grid->setColumnStretch(1, 3);
  const std::size_t first = page_ * kPerPage;
  const std::size_t last = std::min(first + kPerPage, merge_.rows().size());
  for (std::size_t s = first; s < last; ++s) {
    const int row = static_cast<int>(s - first);
    auto* sample = new SampleCell(inside);
    sample->show_sample(merge_.rows()[s].sample);
    grid->addWidget(sample, row, 0);
    auto* answer = new AnswerCell(inside);
    answer->setObjectName(QStringLiteral("merged_%1").arg(s));
    grid->addWidget(answer, row, 1);
    cells_.push_back(answer);
  }
  grid->setRowStretch(static_cast<int>(last - first), 1);
  setWidget(inside);
  inside->show();
  refresh_all();
}

void MergeAnswers::refresh_all() {
  for (std::size_t i = 0; i < cells_.size(); ++i) refresh_cell(page_ * kPerPage + i);
}

void MergeAnswers::refresh_cell(std::size_t sample) {
  const std::size_t first = page_ * kPerPage;
  if (sample < first || sample - first >= cells_.size() || sample >= merge_.rows().size()) return;
  cells_[sample - first]->show_answer(merge_.rows()[sample].answers.front(), nullptr,
                                      merge_.running());
}

}  // namespace luthier
