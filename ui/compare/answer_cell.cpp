// SPDX-License-Identifier: GPL-3.0-or-later
// Pieces of the text are links of a rich-text label: the label gives selection and says which
// piece, and so which tokens, the mouse is over.
#include "ui/compare/answer_cell.h"

#include <QLabel>
#include <QPainter>
#include <QToolButton>
#include <QToolTip>
#include <QVBoxLayout>
#include <cmath>

#include "engine/compare/scores.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/theme.h"
#include "ui/widgets/card.h"

namespace luthier {

namespace {

constexpr qsizetype kLongestWord = 16;

QString shown_piece(const QString& piece) {
  return piece.toHtmlEscaped().replace(QLatin1Char('\n'), QStringLiteral("<br>"));
}

}  // namespace

QString token_tooltip(const AnswerToken& token) {
  const auto line = [](const QString& piece, double probability, bool bold) {
    const QString shown = piece.toHtmlEscaped()
                              .replace(QLatin1Char(' '), QStringLiteral("␣"))
                              .replace(QLatin1Char('\n'), QStringLiteral("⏎"));
    const QString text = QStringLiteral("<tr><td align='right'>%1</td><td>&nbsp;&nbsp;%2</td></tr>")
                             .arg(QString::number(probability, 'f', 4), shown);
    return bold ? QString(text).replace(QStringLiteral("<td"),
                                        QStringLiteral("<td style='font-weight:bold'"))
                : text;
  };
  QString html = QStringLiteral("<table>") +
                 line(QString::fromStdString(token.piece), std::exp(token.logprob), true);
  for (const auto& [piece, probability] : token.alternatives)
    html += line(QString::fromStdString(piece), probability, false);
  return html + QStringLiteral("</table>");
}

AnswerCell::AnswerCell(QWidget* parent) : QFrame(parent) {
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(10, 8, 10, 8);
  layout->setSpacing(4);
  text_ = new QLabel(this);
  text_->setObjectName(QStringLiteral("answerText"));
  text_->setTextFormat(Qt::RichText);
  text_->setWordWrap(true);
  text_->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
  text_->setAlignment(Qt::AlignTop | Qt::AlignLeft);
  text_->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::LinksAccessibleByMouse);
  layout->addWidget(text_, 1);
  auto* foot = new QHBoxLayout;
  foot->setSpacing(4);
  facts_ = muted_label(this, 0.85);
  facts_->setObjectName(QStringLiteral("answerFacts"));
  foot->addWidget(facts_, 1);
  score_ = new QToolButton(this);
  score_->setObjectName(QStringLiteral("scoreAnswer"));
  score_->setAutoRaise(true);
  set_themed_icon(score_, QStringLiteral("compare"));
  score_->hide();
  foot->addWidget(score_, 0, Qt::AlignBottom);
  layout->addLayout(foot);
  connect(score_, &QToolButton::clicked, this, [this] { emit score_asked(-1); });
  connect(text_, &QLabel::linkHovered, this, &AnswerCell::hover);
  connect(text_, &QLabel::linkActivated, this, &AnswerCell::follow);
  on_language(score_, [this] {
    score_->setToolTip(tr("Score this answer: how likely every column holds each of its tokens"));
    set_name(name_);
  });
}

void AnswerCell::set_name(const QString& name) {
  name_ = name;
  score_->setAccessibleName(tr("Score the answer of %1 by every column").arg(name));
}

void AnswerCell::follow(const QString& link) {
  bool number = false;
  const std::size_t index = link.toULongLong(&number);
  if (!number || index >= pieces_.size() || pieces_[index].tokens.empty() || !answer_.whole())
    return;
  QToolTip::hideText();
  emit score_asked(static_cast<int>(pieces_[index].tokens.front()));
}

QString AnswerCell::answer_html() const {
  const QColor card = colours().card, series = colours().series[4];
  const auto third = [](int a, int b) { return (a + 2 * b) / 3; };
  const QColor mark(third(series.red(), card.red()), third(series.green(), card.green()),
                    third(series.blue(), card.blue()));
  const QString colour = colours().text.name();
  QString html;
  qsizetype unbroken = 0;
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    const AnswerPiece& piece = pieces_[i];
    const std::string bytes = answer_.text.substr(piece.begin, piece.end - piece.begin);
    const QString text = QString::fromStdString(bytes);
    QString style = QStringLiteral("color:%1; text-decoration:none;").arg(colour);
    if (piece.differs) {
      style = QStringLiteral("color:%1; text-decoration:underline; background:%2")
                  .arg(colour, mark.name());
    }
    const QString shown = shown_piece(text);
    const QString link = QString::number(i);
    html += piece.tokens.empty()
                ? QStringLiteral("<span style='%1'>%2</span>").arg(style, shown)
                : QStringLiteral("<a href='%1' style='%2'>%3</a>").arg(link, style, shown);
    // Where no space comes for long, a line may break between pieces.
    const qsizetype space = text.lastIndexOf(QLatin1Char(' '));
    unbroken = space >= 0 ? text.size() - space : unbroken + text.size();
    if (unbroken > kLongestWord) {
      html += QStringLiteral("&#8203;");
      unbroken = 0;
    }
  }
  return html;
}

QString AnswerCell::facts_text(const std::string* reference) const {
  QStringList facts;
  if (reference && answer_.whole()) {
    facts << (*reference == answer_.text ? tr("= reference") : tr("≠ reference"));
  }
  if (const auto exact = answer_.scores.find("exact"); exact != answer_.scores.end()) {
    facts << (exact->second == 1 ? tr("✓ exact") : tr("✗ not exact"));
  }
  if (const auto match = answer_.scores.find("pattern"); match != answer_.scores.end())
    facts << (match->second == 1 ? tr("✓ pattern") : tr("✗ pattern"));
  if (const auto reward = answer_.scores.find(kRewardScore); reward != answer_.scores.end())
    facts << tr("reward %1").arg(number_text(reward->second, 3));
  const QString confidence = QString::number(answer_.confidence(), 'f', 2);
  if (!answer_.tokens.empty()) facts << tr("p %1").arg(confidence);
  facts << tr("%n tokens", nullptr, static_cast<int>(answer_.tokens.size()));
  if (answer_.whole()) facts << tr("%1 ms").arg(QString::number(answer_.seconds * 1000, 'f', 0));
  if (answer_.finish == "length") facts << tr("cut at the limit");
  return facts.join(QStringLiteral("  ·  "));
}

void AnswerCell::show_answer(const ComparisonAnswer& answer, const std::string* reference,
                             bool waiting, const ComparisonAnswer* fading) {
  answer_ = answer;
  score_->setVisible(answer.whole());
  pieces_ = answer_pieces(answer_, answer_.whole() ? reference : nullptr);
  if (!answer_.begun()) {
    const QString words = waiting ? tr("waiting…") : tr("not asked yet");
    const QString muted = colours().muted.name();
    const QString shown =
        fading ? shown_piece(QString::fromStdString(fading->text)) : words.toHtmlEscaped();
    text_->setText(QStringLiteral("<span style='color:%1'>%2</span>").arg(muted, shown));
    facts_->setText(fading ? words : QString());
    return;
  }
  QString html = answer_html();
  if (!answer_.whole()) {
    html += QStringLiteral("<span style='color:%1'>▌</span>").arg(colours().accent.name());
  }
  text_->setText(html);
  facts_->setText(facts_text(reference));
}

void AnswerCell::hover(const QString& link) {
  bool number = false;
  const std::size_t index = link.toULongLong(&number);
  if (!number || index >= pieces_.size()) {
    QToolTip::hideText();
    return;
  }
  // Tokens that made one character together are shown one below the other.
  QStringList tokens;
  for (const std::size_t token : pieces_[index].tokens) {
    tokens << token_tooltip(answer_.tokens[token]);
  }
  QToolTip::showText(QCursor::pos(), tokens.join(QStringLiteral("<hr>")), text_);
}

void AnswerCell::paintEvent(QPaintEvent*) {
  QPainter p(this);
  p.fillRect(rect(), colours().card);
  p.setPen(colours().line);
  p.drawLine(width() - 1, 0, width() - 1, height());
  p.drawLine(0, height() - 1, width(), height() - 1);
}

}  // namespace luthier
