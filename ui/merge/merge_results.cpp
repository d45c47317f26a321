// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/merge/merge_results.h"

#include <QEvent>
#include <QLabel>
#include <QPushButton>
#include <QStackedWidget>

#include "ui/format.h"
#include "ui/language.h"
#include "ui/merge/live_merge.h"
#include "ui/merge/merge_answers.h"
#include "ui/merge/tried_merges.h"
#include "ui/messages.h"
#include "ui/theme.h"
#include "ui/widgets/card.h"
#include "ui/widgets/empty_state.h"
#include "ui/widgets/pager.h"

namespace luthier {

MergeResults::MergeResults(Workspace& workspace, LiveMerge& merge, QWidget* parent)
    : Splitter(Qt::Vertical, parent), workspace_(workspace), merge_(merge) {
  auto* card = new Card(this);
  make_head(card);
  stack_ = new QStackedWidget(card);
  empty_ = new EmptyState(QStringLiteral("merge"), QStringLiteral("emptyMerge"), stack_);
  stack_->addWidget(empty_);
  answers_ = new MergeAnswers(merge_, stack_);
  stack_->addWidget(answers_);
  card->body()->addWidget(stack_, 1);
  addWidget(card);
  auto* below = new Card(this);
  auto* tried = new TriedMerges(merge_, below);
  below->body()->addWidget(tried);
  addWidget(below);
  setStretchFactor(0, 3);
  setStretchFactor(1, 1);
  setSizes({480, 180});
  connect(tried, &TriedMerges::chosen, this, &MergeResults::tried_chosen);
  connect(samples_, &QPushButton::clicked, this, &MergeResults::samples_asked);
  connect(empty_->button(), &QPushButton::clicked, this, &MergeResults::way_on_asked);
  connect(pager_, &Pager::turned, this, [this](std::size_t page) {
    answers_->show_page(page);
    refresh();
  });
  connect(&merge_, &LiveMerge::rows_changed, this, &MergeResults::refresh);
  connect(&merge_, &LiveMerge::answer_changed, this, &MergeResults::refresh_scores);
  on_language(this, [this, below] {
    below->set_title(tr("Tried"));
    samples_->setText(tr("Samples…"));
    samples_->setToolTip(tr("They are chosen on the Compare page"));
  });
}

void MergeResults::make_head(Card* card) {
  samples_ = new QPushButton(card);
  samples_->setObjectName(QStringLiteral("mergeSamples"));
  pager_ = new Pager(QStringLiteral("Merged"), card);
  exact_ = text_label(card);
  exact_->setObjectName(QStringLiteral("mergeScore"));
  exact_->setFont(scaled_font(1.2, true));
  others_ = muted_label(card, 0.9);
  others_->setObjectName(QStringLiteral("mergeScores"));
  others_->setWordWrap(false);
  others_->installEventFilter(this);
  others_->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
  card->head()->insertWidget(1, exact_);
  card->head()->insertWidget(2, others_, 100);
  card->head()->addWidget(pager_);
  card->head()->addWidget(samples_);
}

void MergeResults::refresh() {
  const bool model = workspace_.model().has_value();
  const std::size_t total = merge_.rows().size();
  stack_->setCurrentIndex(model && total > 0 ? 1 : 0);
  if (!model)
    empty_->set_texts(tr("First a model"),
                      tr("Adapters are merged on the base that they were trained on."),
                      tr("Choose a model"));
  else
    empty_->set_texts(tr("No samples yet"),
                      tr("Open a file of rows on the Compare page: a merge is judged by its "
                         "answers to them."),
                      tr("To the Compare page"));
  pager_->set_place(answers_->page(), MergeAnswers::kPerPage, model ? total : 0);
  samples_->setVisible(model && total > 0);
  refresh_scores();
}

void MergeResults::refresh_scores() {
  const auto scores = merge_.scores();
  const auto text = [&](const char* key) { return percent_text(scores.at(key).mean, 1); };
  const std::size_t total = merge_.rows().size();
  const bool exact = scores.contains("exact");
  exact_->setText(exact ? tr("%1 exact").arg(text("exact")) : QString());
  QStringList others;
  if (scores.contains("token_f1")) others << tr("token F1 %1").arg(text("token_f1"));
  if (scores.contains("chrf")) others << tr("chrF %1").arg(text("chrf"));
  if (scores.contains("json")) others << tr("valid JSON %1").arg(text("json"));
  if (merge_.running())
    others << tr("answering: %1 of %2").arg(merge_.answered()).arg(total);
  else if (exact)
    others << tr("of %n samples", nullptr, static_cast<int>(scores.at("exact").of));
  if (const auto& made = merge_.made(); made && made->rank > 0)
    others << tr("rank %1").arg(made->rank);
  others_text_ = others.join(QStringLiteral("  ·  "));
  fit_others();
  QStringList notes;
  if (const auto& made = merge_.made())
    for (const std::string& note : made->notes) notes << said_text(note);
  notes.prepend(others_text_);
  others_->setToolTip(notes.join(QLatin1Char('\n')));
}

/// As many figures as there is room for: one that is cut in its middle would read as another.
void MergeResults::fit_others() {
  const QString between = QStringLiteral("  ·  ");
  QStringList parts = others_text_.split(between);
  QString fit = others_text_;
  while (!parts.isEmpty() && others_->fontMetrics().horizontalAdvance(fit) > others_->width()) {
    parts.removeLast();
    fit = parts.join(between) + QStringLiteral(" …");
  }
  if (others_->text() != fit) others_->setText(fit);
}

bool MergeResults::eventFilter(QObject* watched, QEvent* event) {
  if (watched == others_ && event->type() == QEvent::Resize) fit_others();
  return Splitter::eventFilter(watched, event);
}

}  // namespace luthier
