// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/train/rollout_panel.h"

#include <QComboBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QScrollArea>
#include <QSignalBlocker>
#include <QTimer>
#include <QToolButton>
#include <QVBoxLayout>
#include <algorithm>
#include <cmath>

#include "ui/language.h"
#include "ui/theme.h"
#include "ui/train/drawn_row_view.h"
#include "ui/train/reward_plot.h"
#include "ui/train/rollout_feed.h"
#include "ui/widgets/card.h"
#include "ui/widgets/pager.h"

namespace luthier {

RolloutPanel::RolloutPanel(RolloutFeed& feed, QWidget* parent) : QWidget(parent), feed_(feed) {
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(0, 0, 0, 0);
  auto* card = new Card(this);
  card->body()->addWidget(make_head());
  plot_ = new RewardPlot(card);
  card->body()->addWidget(plot_);
  scroll_ = new QScrollArea(card);
  scroll_->setObjectName(QStringLiteral("drawnRows"));
  scroll_->setWidgetResizable(true);
  scroll_->setFrameShape(QFrame::NoFrame);
  scroll_->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
  scroll_->viewport()->setAutoFillBackground(false);
  card->body()->addWidget(scroll_, 1);
  pager_ = new Pager(QStringLiteral("Prompts"), card);
  card->body()->addWidget(pager_, 0, Qt::AlignRight);
  connect(pager_, &Pager::turned, this, [this](std::size_t page) {
    follows_ = false;
    show_place(place_, page);
  });
  layout->addWidget(card, 1);
  connect(plot_, &RewardPlot::chosen, this, &RolloutPanel::go_to);
  connect(&feed_, &RolloutFeed::began, this, &RolloutPanel::restart);
  connect(&feed_, &RolloutFeed::grew, this, &RolloutPanel::take_news);
  connect(&feed_, &RolloutFeed::rows_read, this, &RolloutPanel::show_rows);
  on_language(this, [this] {
    scroll_->setAccessibleName(tr("Prompts and their answers"));
    fill_judges();
    refresh();
  });
}

QWidget* RolloutPanel::make_head() {
  auto* head = new QWidget(this);
  auto* row = new QHBoxLayout(head);
  row->setContentsMargins(0, 0, 0, 0);
  row->setSpacing(6);
  const auto button = [&](const char* name) {
    auto* made = new QToolButton(head);
    made->setObjectName(QLatin1String(name));
    row->addWidget(made);
    return made;
  };
  before_ = button("previousDrawn");
  before_->setArrowType(Qt::LeftArrow);
  place_text_ = text_label(head);
  place_text_->setObjectName(QStringLiteral("placeDrawn"));
  place_text_->setFont(scaled_font(1.0, true));
  row->addWidget(place_text_);
  behind_ = button("nextDrawn");
  behind_->setArrowType(Qt::RightArrow);
  newest_ = button("newestDrawn");
  newest_->setCheckable(true);
  row->addStretch(1);
  judge_ = new QComboBox(head);
  judge_->setObjectName(QStringLiteral("drawnJudge"));
  judge_->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
  judge_->setMinimumContentsLength(16);
  row->addWidget(judge_);
  connect(before_, &QToolButton::clicked, this, [this] { go_to(place_ > 0 ? place_ - 1 : 0); });
  connect(behind_, &QToolButton::clicked, this, [this] { go_to(place_ + 1); });
  connect(newest_, &QToolButton::clicked, this, [this](bool on) {
    follows_ = on;
    if (on && !feed_.steps().empty()) show_place(feed_.steps().size() - 1, 0);
    refresh();
  });
  connect(judge_, &QComboBox::currentIndexChanged, this, [this] {
    any_ = false;
    spreads_.clear();
    spread();
    if (!feed_.steps().empty()) show_place(place_, page_);
  });
  on_language(head, [this] {
    before_->setToolTip(tr("The step before"));
    before_->setAccessibleName(tr("The step before"));
    behind_->setToolTip(tr("The next step"));
    behind_->setAccessibleName(tr("The next step"));
    newest_->setText(tr("Newest"));
    newest_->setToolTip(tr("Follows the newest step as it comes"));
    judge_->setAccessibleName(tr("Whose rewards are shown"));
    judge_->setToolTip(tr("Whose rewards are shown"));
  });
  return head;
}

std::string RolloutPanel::judge() const { return judge_->currentData().toString().toStdString(); }

/// The sum, and each judge where there are several.
void RolloutPanel::fill_judges() {
  const QSignalBlocker quiet(judge_);
  const QString chosen = judge_->currentData().toString();
  judge_->clear();
  judge_->addItem(tr("Sum of rewards"), QString());
  for (const std::string& name : feed_.judges())
    judge_->addItem(QString::fromStdString(name), QString::fromStdString(name));
  judge_->setCurrentIndex(std::max(0, judge_->findData(chosen)));
  judge_->setVisible(feed_.judges().size() > 1);
}

void RolloutPanel::restart() {
  follows_ = true;
  stale_ = any_ = false;
  place_ = page_ = 0;
  spreads_.clear();
  waiting_.clear();
  filling_ = nullptr;
  if (QWidget* old = scroll_->takeWidget()) old->deleteLater();
  fill_judges();
  plot_->set_spreads({}, {});
  refresh();
}

/// The spreads of steps that have none yet, and of the last one, which may have grown. Where
/// rewards leave the scale, those of all.
void RolloutPanel::spread() {
  const std::vector<DrawnStep>& steps = feed_.steps();
  if (spreads_.size() > steps.size()) spreads_.clear(), any_ = false;
  if (!spreads_.empty()) spreads_.pop_back();
  const auto widen = [this](const std::vector<double>& rewards) {
    for (const double reward : rewards) {
      if (!std::isfinite(reward)) continue;
      low_ = any_ ? std::min(low_, reward) : reward;
      high_ = any_ ? std::max(high_, reward) : reward;
      any_ = true;
    }
  };
  for (std::size_t i = spreads_.size(); i < steps.size(); ++i) widen(feed_.rewards(i, judge()));
  const RewardScale scale = any_ ? scale_of(low_, high_) : RewardScale();
  if (!(scale == scale_)) spreads_.clear();
  scale_ = scale;
  for (std::size_t i = spreads_.size(); i < steps.size(); ++i)
    spreads_.push_back(spread_of(steps[i].step, feed_.rewards(i, judge()), scale_));
  plot_->set_spreads(spreads_, scale_);
}

void RolloutPanel::take_news() {
  if (judge_->count() != static_cast<int>(feed_.judges().size()) + 1) fill_judges();
  // A long file comes in pieces: its last step is shown once it is there.
  if (!isVisible() || !feed_.whole()) {
    stale_ = true;
    refresh();
    return;
  }
  stale_ = false;
  spread();
  const std::size_t count = feed_.steps().size();
  if (count > 0 && (follows_ || place_ >= count)) show_place(count - 1, 0);
  refresh();
}

void RolloutPanel::showEvent(QShowEvent* event) {
  QWidget::showEvent(event);
  if (stale_) take_news();
}

void RolloutPanel::go_to(std::size_t place) {
  const std::size_t count = feed_.steps().size();
  if (count == 0) return;
  follows_ = place + 1 >= count;
  show_place(std::min(place, count - 1), 0);
}

void RolloutPanel::show_place(std::size_t place, std::size_t page) {
  place_ = place;
  page_ = page;
  plot_->set_shown(place_);
  feed_.ask_rows(place_, page_ * kPerPage, kPerPage);
  refresh();
}

void RolloutPanel::show_rows(std::size_t place, const std::vector<DrawnRow>& rows) {
  if (place != place_) return;
  waiting_ = rows;
  filled_ = 0;
  delete filling_;
  filling_ = new QWidget;
  filling_->setAutoFillBackground(false);
  auto* column = new QVBoxLayout(filling_);
  column->setContentsMargins(0, 0, 8, 0);
  column->setSpacing(0);
  add_next_row();
}

/// The old rows stay until all new ones are made, so that nothing flickers.
void RolloutPanel::add_next_row() {
  if (!filling_) return;
  auto* column = static_cast<QVBoxLayout*>(filling_->layout());
  if (filled_ < waiting_.size()) {
    column->addWidget(new DrawnRowView(waiting_[filled_++], judge(), feed_.weights(), filling_));
    QTimer::singleShot(0, filling_, [this] { add_next_row(); });
    return;
  }
  column->addStretch(1);
  scroll_->setWidget(std::exchange(filling_, nullptr));  // which deletes the old ones
  scroll_->widget()->setAutoFillBackground(false);
  scroll_->widget()->show();
}

void RolloutPanel::refresh() {
  const std::size_t count = feed_.steps().size();
  before_->setEnabled(count > 0 && place_ > 0);
  behind_->setEnabled(place_ + 1 < count);
  newest_->setChecked(follows_);
  newest_->setEnabled(count > 0);
  const DrawnStep* step = place_ < count ? &feed_.steps()[place_] : nullptr;
  place_text_->setText(step ? tr("Step %1 · %2 of %3").arg(step->step).arg(place_ + 1).arg(count)
                            : tr("No step has drawn answers yet"));
  const std::size_t rows = step ? step->begins.size() : 0;
  pager_->set_place(page_, kPerPage, rows);
  pager_->setVisible(rows > kPerPage);
}

}  // namespace luthier
