// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/compare/blind_view.h"

#include <QHBoxLayout>
#include <QHeaderView>
#include <QKeyEvent>
#include <QLabel>
#include <QPushButton>
#include <QScrollArea>
#include <QTableWidget>
#include <QToolButton>
#include <QVBoxLayout>
#include <algorithm>

#include "ui/compare/sample_cell.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/theme.h"
#include "ui/widgets/card.h"
#include "ui/widgets/copied_table.h"

namespace luthier {

namespace {
constexpr int kBlindSampleWidth = 240, kMostLetters = 9;

QString letter_of(std::size_t place) { return QString(QChar('A' + static_cast<char>(place))); }
}  // namespace

BlindView::BlindView(LiveComparison& comparison, QWidget* parent)
    : QWidget(parent), comparison_(comparison) {
  setObjectName(QStringLiteral("blindView"));
  setFocusPolicy(Qt::StrongFocus);
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(12, 10, 12, 10);
  layout->setSpacing(8);
  about_ = text_label(this, true);
  about_->setObjectName(QStringLiteral("blindAbout"));
  layout->addWidget(about_);
  scroll_ = new QScrollArea(this);
  scroll_->setWidgetResizable(true);
  scroll_->setFrameShape(QFrame::NoFrame);
  scroll_->viewport()->setAutoFillBackground(false);
  layout->addWidget(scroll_, 1);
  rates_ = new QTableWidget(this);
  rates_->setObjectName(QStringLiteral("blindRates"));
  rates_->setColumnCount(4);
  rates_->setEditTriggers(QAbstractItemView::NoEditTriggers);
  rates_->verticalHeader()->hide();
  rates_->horizontalHeader()->setSectionResizeMode(QHeaderView::Stretch);
  make_copied(rates_);
  layout->addWidget(rates_, 1);
  keys_ = muted_label(this, 0.85);
  layout->addWidget(keys_);
  auto* foot = new QHBoxLayout;
  const auto button = [&](const char* name, auto action) {
    auto* made = new QPushButton(this);
    made->setObjectName(QString::fromLatin1(name));
    made->setFocusPolicy(Qt::TabFocus);  // a click leaves the keys with the view
    connect(made, &QPushButton::clicked, this, action);
    foot->addWidget(made);
    return made;
  };
  tie_ = button("blindTie", [this] { vote({}); });
  previous_ = button("blindPrevious", [this] { step(-1); });
  next_ = button("blindNext", [this] { step(1); });
  foot->addStretch(1);
  again_ = button("blindAgain", [this] {
    comparison_.forget_votes();
    begin();
  });
  reveal_ = button("blindReveal", [this] { reveal(); });
  leave_ = button("blindLeave", [this] { emit left(); });
  layout->addLayout(foot);
  const auto anew = [this] {
    if (isVisible()) begin();
  };
  connect(&comparison_, &LiveComparison::columns_changed, this, anew);
  connect(&comparison_, &LiveComparison::samples_changed, this, anew);
  connect(&comparison_, &LiveComparison::running_changed, this, [this] {
    if (isVisible() && !row_ && !revealed_) begin();
  });
  on_language(this, [this] { retranslate(); });
}

void BlindView::retranslate() {
  keys_->setText(
      tr("1 to 9: this answer is the best · 0: none is better · ← →: another sample · Enter: show "
         "whose they are"));
  tie_->setText(tr("None is &better"));
  previous_->setText(tr("&Back"));
  next_->setText(tr("&Skip"));
  again_->setText(tr("Judge &anew"));
  reveal_->setText(tr("Show &whose they are"));
  leave_->setText(tr("&Close"));
  rates_->setAccessibleName(tr("Win rates"));
  rates_->setHorizontalHeaderLabels(
      {tr("column"), tr("win rate"), tr("95 % interval (Wilson)"), tr("wins of votes")});
  if (revealed_)
    show_rates();
  else
    show_row();
}

std::vector<std::size_t> BlindView::rows() const {
  const Comparison& data = comparison_.data();
  std::vector<std::size_t> whole;
  if (data.columns.size() < 2) return whole;
  for (std::size_t r = 0; r < data.rows.size(); ++r)
    if (std::all_of(data.rows[r].answers.begin(), data.rows[r].answers.end(),
                    [](const ComparisonAnswer& answer) { return answer.whole(); }))
      whole.push_back(r);
  return whole;
}

bool BlindView::voted(std::size_t row) const {
  const auto& votes = comparison_.data().votes;
  return std::any_of(votes.begin(), votes.end(),
                     [row](const Vote& each) { return each.row == row; });
}

void BlindView::begin() {
  revealed_ = false;
  row_.reset();
  const auto all = rows();
  const auto fresh =
      std::find_if_not(all.begin(), all.end(), [this](std::size_t row) { return voted(row); });
  if (fresh != all.end())
    row_ = *fresh;
  else if (!all.empty())
    return reveal();
  show_row();
  setFocus();
}

void BlindView::step(int by) {
  const auto all = rows();
  if (all.empty()) return;
  revealed_ = false;
  const auto here = row_ ? std::find(all.begin(), all.end(), *row_) : all.end();
  auto place = here == all.end() ? 0 : static_cast<int>(here - all.begin()) + by;
  place = std::clamp(place, 0, static_cast<int>(all.size()) - 1);
  row_ = all[static_cast<std::size_t>(place)];
  show_row();
}

void BlindView::vote(std::optional<std::size_t> letter) {
  if (!row_ || revealed_ || (letter && *letter >= order_.size())) return;
  Vote vote{*row_, {}};
  if (letter) vote.column = comparison_.data().columns[order_[*letter]].name;
  comparison_.vote(std::move(vote));
  // The next one behind it that has none, else what was skipped, else the end.
  for (const std::size_t row : rows()) {
    if (row <= *row_ || voted(row)) continue;
    row_ = row;
    return show_row();
  }
  begin();
}

void BlindView::reveal() {
  revealed_ = true;
  show_rates();
}

void BlindView::keyPressEvent(QKeyEvent* event) {
  const int key = event->key();
  if (key >= Qt::Key_1 && key <= Qt::Key_9) return vote(static_cast<std::size_t>(key - Qt::Key_1));
  if (key == Qt::Key_0) return vote({});
  if (key == Qt::Key_Left) return step(-1);
  if (key == Qt::Key_Right) return step(1);
  if (key == Qt::Key_Return || key == Qt::Key_Enter) return reveal();
  if (key == Qt::Key_Escape) return emit left();
  QWidget::keyPressEvent(event);
}

void BlindView::show_foot() {
  const auto all = rows();
  tie_->setEnabled(row_ && !revealed_);
  previous_->setEnabled(!all.empty());
  next_->setEnabled(!all.empty());
  again_->setVisible(revealed_ && !comparison_.data().votes.empty());
  reveal_->setEnabled(!revealed_ && !comparison_.data().votes.empty());
  scroll_->setVisible(!revealed_);
  keys_->setVisible(!revealed_);
  rates_->setVisible(revealed_);
}

void BlindView::show_row() {
  if (QWidget* old = scroll_->takeWidget()) {
    old->hide();
    old->deleteLater();  // a button of it may have led here
  }
  const Comparison& data = comparison_.data();
  order_.clear();
  if (!row_ || *row_ >= data.rows.size()) {
    about_->setText(tr("There is nothing to judge yet: two columns or more must have answered."));
    return show_foot();
  }
  const auto all = rows();
  const auto place = std::find(all.begin(), all.end(), *row_) - all.begin();
  about_->setText(
      tr("Sample %1 of %2 · %3 judged").arg(place + 1).arg(all.size()).arg(data.votes.size()));
  order_ = shuffled_columns(data.columns.size(), data.options.seed, *row_);
  if (order_.size() > kMostLetters) order_.resize(kMostLetters);
  auto* inside = new QWidget;
  auto* row = new QHBoxLayout(inside);
  row->setContentsMargins(0, 0, 0, 0);
  row->setSpacing(8);
  auto* sample = new SampleCell(inside);
  sample->setFixedWidth(kBlindSampleWidth);
  Sample asked = data.rows[*row_].sample;
  sample->show_sample(asked);
  for (QToolButton* button : sample->findChildren<QToolButton*>()) button->hide();
  row->addWidget(sample);
  const auto voted = std::find_if(data.votes.begin(), data.votes.end(),
                                  [this](const Vote& each) { return each.row == *row_; });
  for (std::size_t i = 0; i < order_.size(); ++i) {
    auto* cell = new QFrame(inside);
    auto* column = new QVBoxLayout(cell);
    const QString letter = letter_of(i);
    auto* name = muted_label(cell, 0.9);
    name->setText(letter);
    auto* text = text_label(cell, true);
    text->setObjectName(QStringLiteral("blindText_%1").arg(i));
    text->setTextFormat(Qt::PlainText);
    text->setFocusPolicy(Qt::NoFocus);  // the keys stay the view's
    text->setText(QString::fromStdString(data.rows[*row_].answers[order_[i]].text));
    text->setAlignment(Qt::AlignTop | Qt::AlignLeft);
    text->setAccessibleName(tr("Answer %1").arg(letter));
    auto* best = new QPushButton(cell);
    best->setObjectName(QStringLiteral("blindBest_%1").arg(i));
    best->setFocusPolicy(Qt::TabFocus);
    const bool mine = voted != data.votes.end() && voted->column == data.columns[order_[i]].name;
    best->setText(mine ? tr("✓ %1 is best (%2)").arg(letter).arg(i + 1)
                       : tr("%1 is best (%2)").arg(letter).arg(i + 1));
    connect(best, &QPushButton::clicked, this, [this, i] { vote(i); });
    column->addWidget(name);
    column->addWidget(text, 1);
    column->addWidget(best);
    row->addWidget(cell, 1);
  }
  scroll_->setWidget(inside);
  inside->setAutoFillBackground(false);  // the card's ground shows
  inside->show();
  show_foot();
}

void BlindView::show_rates() {
  const Comparison& data = comparison_.data();
  const auto rates = win_rates(data);
  about_->setText(data.votes.empty() ? tr("Nothing was judged yet.")
                                     : tr("%n samples judged. A tie counts as an equal share for "
                                          "each.",
                                          nullptr, static_cast<int>(data.votes.size())));
  std::vector<std::size_t> order(rates.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return rates[a].rate > rates[b].rate; });
  rates_->setRowCount(static_cast<int>(order.size()));
  for (std::size_t i = 0; i < order.size(); ++i) {
    const WinRate& rate = rates[order[i]];
    const QString name =
        order[i] == 0 ? tr("base") : QString::fromStdString(data.columns[order[i]].name);
    const QStringList texts{
        name, rate.votes ? percent_text(rate.rate, 1) : QStringLiteral("–"),
        rate.votes ? tr("%1 to %2").arg(percent_text(rate.low, 1), percent_text(rate.high, 1))
                   : QStringLiteral("–"),
        tr("%1 of %2").arg(number_text(rate.wins, 3), QString::number(rate.votes))};
    for (int c = 0; c < static_cast<int>(texts.size()); ++c)
      rates_->setItem(static_cast<int>(i), c, new QTableWidgetItem(texts[c]));
  }
  show_foot();
}

}  // namespace luthier
