// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/compare/answer_inspector.h"

#include <QComboBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QScrollArea>
#include <QToolButton>
#include <QVBoxLayout>
#include <algorithm>
#include <cmath>

#include "ui/compare/attention_view.h"
#include "ui/compare/heat_strip.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/messages.h"
#include "ui/theme.h"
#include "ui/widgets/splitter.h"

namespace luthier {

namespace {

constexpr int kSettleMilliseconds = 120;
constexpr double kDeepDivergence = 2;  // nats, from which on the ground is as deep as it gets

QString token_shown(const QString& piece) {
  QString shown = piece;
  shown.replace(QLatin1Char('\n'), QStringLiteral("⏎"));
  return shown.trimmed().isEmpty() ? QStringLiteral("␣") : shown.trimmed();
}

}  // namespace

AnswerInspector::AnswerInspector(Workspace& workspace, LiveComparison& comparison, QWidget* parent)
    : Card(parent), workspace_(workspace), comparison_(comparison) {
  setObjectName(QStringLiteral("answerInspector"));
  figure_ = new QComboBox(this);
  figure_->setObjectName(QStringLiteral("scoreFigure"));
  figure_->addItems({QString(), QString()});
  close_ = new QToolButton(this);
  close_->setObjectName(QStringLiteral("closeInspector"));
  set_themed_icon(close_, QStringLiteral("close"));
  head()->addWidget(figure_);
  head()->addWidget(close_);
  auto* split = new Splitter(Qt::Horizontal, this);
  auto* left = new QWidget(split);
  auto* column = new QVBoxLayout(left);
  column->setContentsMargins(0, 0, 0, 0);
  note_ = muted_label(left, 0.85);
  note_->setObjectName(QStringLiteral("inspectorNote"));
  column->addWidget(note_);
  scroll_ = new QScrollArea(left);
  scroll_->setWidgetResizable(true);
  scroll_->setFrameShape(QFrame::NoFrame);
  scroll_->setFocusPolicy(Qt::NoFocus);
  scroll_->viewport()->setAutoFillBackground(false);
  column->addWidget(scroll_, 1);
  split->addWidget(left);
  attention_ = new AttentionView(split);
  split->addWidget(attention_);
  split->setStretchFactor(0, 3);
  split->setStretchFactor(1, 2);
  body()->addWidget(split, 1);

  settle_.setSingleShot(true);
  settle_.setInterval(kSettleMilliseconds);
  connect(&settle_, &QTimer::timeout, this, &AnswerInspector::ask_attention);
  connect(close_, &QToolButton::clicked, this, [this] {
    put_away();
    emit closed();
  });
  connect(figure_, &QComboBox::currentIndexChanged, this, &AnswerInspector::show_scores);
  SessionBridge& bridge = workspace_.bridge();
  connect(&bridge, &SessionBridge::answer_forced, this, &AnswerInspector::take);
  connect(&bridge, &SessionBridge::attention_found, this, &AnswerInspector::take_attention);
  connect(&bridge, &SessionBridge::request_done, this, &AnswerInspector::end);
  // What the figures are of is not there any more.
  const auto gone = [this] {
    if (!scored_ && !asked_) return;
    put_away();
    emit closed();
  };
  connect(&comparison_, &LiveComparison::columns_changed, this, gone);
  connect(&comparison_, &LiveComparison::samples_changed, this, gone);
  connect(&Theme::instance(), &Theme::changed, this, &AnswerInspector::show_scores);
  on_language(this, [this] {
    figure_->setItemText(0, tr("probability"));
    figure_->setItemText(1, tr("divergence from the reference"));
    figure_->setAccessibleName(tr("What is shown of each token"));
    figure_->setToolTip(
        tr("Probability: how likely a column holds the token, deep where it does not. Divergence: "
           "how far all its probabilities are from the reference's there (KL, in nats)."));
    close_->setToolTip(tr("Close"));
    close_->setAccessibleName(tr("Close"));
    show_head();
    show_scores();
    attention_->set_names(column_labels());
  });
}

QString AnswerInspector::column_label(const std::string& name) const {
  return name == kBaseColumn ? tr("base") : QString::fromStdString(name);
}

QStringList AnswerInspector::column_labels() const {
  QStringList labels;
  if (scored_)
    for (const ScoredColumn& column : scored_->columns) labels << column_label(column.name);
  return labels;
}

void AnswerInspector::put_away() {
  for (RequestId* request : {&asked_, &attention_asked_})
    if (*request) workspace_.session().cancel(std::exchange(*request, 0));
  settle_.stop();
  scored_.reset();
  token_.reset();
  failure_.clear();
  show_scores();
  attention_->clear();
}

std::optional<AnswerQuestion> AnswerInspector::question() const {
  const Comparison& data = comparison_.data();
  if (row_ >= data.rows.size()) return {};
  AnswerQuestion question;
  question.answer.sample = data.rows[row_].sample;
  question.answer.of = of_;
  question.reference = data.reference;
  for (std::size_t i = 0; i < data.columns.size(); ++i) {
    const std::string& name = data.columns[i].name;
    question.columns.push_back(i > 0 ? std::optional(name) : std::nullopt);
    if (name != of_) continue;
    const ComparisonAnswer& answer = data.rows[row_].answers[i];
    if (!answer.whole()) return {};
    for (const AnswerToken& token : answer.tokens) question.answer.ids.push_back(token.id);
  }
  return question;
}

void AnswerInspector::look_at(std::size_t row, const std::string& of,
                              std::optional<std::size_t> token) {
  put_away();
  row_ = row;
  of_ = of;
  token_ = token;
  auto asked = question();
  if (!asked) return;
  attention_->set_sample(asked->answer.sample);
  asked_ = workspace_.session().force_answer(std::move(*asked));
  show_head();
  show_scores();
}

void AnswerInspector::show_head() {
  if (of_.empty()) return;
  const QString sample = QString::number(row_ + 1);
  set_title(
      of_ == kExpectedAnswer
          ? tr("Sample %1: the expected answer under every column").arg(sample)
          : tr("Sample %1: the answer of %2 under every column").arg(sample, column_label(of_)));
}

void AnswerInspector::take(const AnswerForced& event) {
  if (event.request != asked_) return;
  scored_ = event.answer;
  comparison_.put_scored(row_, event.answer);
  show_scores();
  if (token_ && !scored_->tokens.empty())
    choose(std::min(*token_, scored_->tokens.size() - 1));
  else if (!lines_.empty())
    lines_.front().strip->setFocus();
}

void AnswerInspector::end(const RequestDone& event) {
  if (event.request == asked_) {
    asked_ = 0;
    if (event.error) failure_ = error_text(*event.error);
    show_scores();
  } else if (event.request == attention_asked_) {
    attention_asked_ = 0;
    if (event.error) attention_->set_note(error_text(*event.error));
  }
}

void AnswerInspector::choose(std::size_t token) {
  // What comes for another token is none of this one's.
  if (attention_asked_) workspace_.session().cancel(std::exchange(attention_asked_, 0));
  token_ = token;
  for (const Line& line : lines_) line.strip->set_chosen(token);
  attention_->set_note(tr("Looking…"));
  settle_.start();
}

void AnswerInspector::ask_attention() {
  auto asked = question();
  if (!asked || !token_ || !scored_) return;
  if (attention_asked_) workspace_.session().cancel(attention_asked_);
  asked->token = *token_;
  attention_asked_ = workspace_.session().find_attention(std::move(*asked));
}

void AnswerInspector::take_attention(const AttentionFound& event) {
  if (event.request != attention_asked_ || !scored_ || !token_) return;
  QStringList names;
  for (const ColumnAttention& column : event.attention.columns) names << column_label(column.name);
  attention_->set_attention(event.attention, names,
                            token_shown(QString::fromStdString(scored_->tokens[*token_].piece)));
}

void AnswerInspector::show_scores() {
  lines_.clear();
  if (QWidget* old = scroll_->takeWidget()) {
    old->hide();
    old->deleteLater();  // a strip's own signal may lead here
  }
  if (!scored_) {
    note_->setText(!failure_.isEmpty() ? failure_ : asked_ ? tr("Reading the answer…") : QString());
    note_->setVisible(!note_->text().isEmpty());
    return;
  }
  note_->setText(
      tr("Choose a token: where each column looked when it came to it. Ringed: the first "
         "one that a column would have put otherwise."));
  note_->setVisible(true);
  auto* inside = new QWidget;
  auto* layout = new QVBoxLayout(inside);
  layout->setContentsMargins(0, 0, 6, 0);
  layout->setSpacing(4);
  const bool divergence = figure_->currentIndex() == 1;
  for (std::size_t c = 0; c < scored_->columns.size(); ++c) {
    const ScoredColumn& column = scored_->columns[c];
    const auto other = column.first_other(scored_->tokens);
    std::vector<HeatStrip::Cell> cells;
    for (std::size_t i = 0; i < column.tokens.size(); ++i) {
      const TokenScore& token = column.tokens[i];
      const double chance = std::exp(token.logprob);
      HeatStrip::Cell cell;
      cell.text = token_shown(QString::fromStdString(scored_->tokens[i].piece));
      cell.depth = divergence ? token.divergence / kDeepDivergence : 1 - chance;
      cell.marked = other == i;
      cell.tip = tr("“%1”: probability %2, divergence %3. Likeliest: “%4”, %5.")
                     .arg(cell.text, QString::number(chance, 'f', 4),
                          QString::number(token.divergence, 'f', 4),
                          token_shown(QString::fromStdString(token.likeliest_piece)),
                          QString::number(token.likeliest_probability, 'f', 4));
      cells.push_back(std::move(cell));
    }
    auto* about = text_label(inside, true);
    about->setObjectName(QStringLiteral("scored_%1").arg(c));
    QString words = QStringLiteral("<b>%1</b> · ").arg(column_label(column.name).toHtmlEscaped());
    words +=
        tr("log-probability %1 · perplexity %2")
            .arg(QString::number(column.logprob(), 'f', 2), number_text(column.perplexity(), 3));
    if (column.name != scored_->reference)
      words += tr(" · mean divergence %1").arg(number_text(column.divergence(), 3));
    words += QStringLiteral(" · ");
    words +=
        other ? tr("token %1 would be “%2”")
                    .arg(*other + 1)
                    .arg(token_shown(QString::fromStdString(column.tokens[*other].likeliest_piece))
                             .toHtmlEscaped())
              : tr("would write the same");
    about->setTextFormat(Qt::RichText);
    about->setText(words);
    auto* strip = new HeatStrip(inside);
    strip->setObjectName(QStringLiteral("strip_%1").arg(c));
    strip->setAccessibleName(tr("Tokens under %1").arg(column_label(column.name)));
    strip->set_cells(std::move(cells));
    strip->set_chosen(token_);
    connect(strip, &HeatStrip::chose, this, &AnswerInspector::choose);
    layout->addWidget(about);
    layout->addWidget(strip);
    lines_.push_back({about, strip});
  }
  layout->addStretch(1);
  scroll_->setWidget(inside);
  inside->setAutoFillBackground(false);  // the card's ground shows
  inside->show();
}

}  // namespace luthier
