// SPDX-License-Identifier: GPL-3.0-or-later
// Tokens are links of a rich-text label: the label gives selection and says which token the mouse is over.
#include "ui/compare/answer_cell.h"

#include <QLabel>
#include <QPainter>
#include <QToolTip>
#include <QVBoxLayout>
#include <cmath>

#include "ui/compare/word_diff.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/theme.h"
#include "ui/widgets/card.h"

namespace luthier {

namespace {

constexpr qsizetype kLongestWord = 16;

QString shown_piece(const QString& piece) { return piece.toHtmlEscaped().replace(QLatin1Char('\n'), QStringLiteral("<br>")); }

}  // namespace

QString token_tooltip(const AnswerToken& token) {
  const auto line = [](const QString& piece, double probability, bool bold) {
    const QString shown = piece.toHtmlEscaped().replace(QLatin1Char(' '), QStringLiteral("␣")).replace(QLatin1Char('\n'), QStringLiteral("⏎"));
    const QString text = QStringLiteral("<tr><td align='right'>%1</td><td>&nbsp;&nbsp;%2</td></tr>").arg(QString::number(probability, 'f', 4), shown);
    return bold ? QString(text).replace(QStringLiteral("<td"), QStringLiteral("<td style='font-weight:bold'")) : text;
  };
  QString html = QStringLiteral("<table>") + line(QString::fromStdString(token.piece), std::exp(token.logprob), true);
  for (const auto& [piece, probability] : token.alternatives) html += line(QString::fromStdString(piece), probability, false);
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
  facts_ = muted_label(this, 0.85);
  facts_->setObjectName(QStringLiteral("answerFacts"));
  layout->addWidget(facts_);
  connect(text_, &QLabel::linkHovered, this, &AnswerCell::hover);
}

QString AnswerCell::answer_html(const Answer& answer, const QString* reference) const {
  const std::vector<TextRange> changed = reference && answer.final ? changed_words(*reference, answer.text) : std::vector<TextRange>{};
  QColor mark = colours().series[4];
  const QColor card = colours().card;
  mark = QColor((mark.red() + 2 * card.red()) / 3, (mark.green() + 2 * card.green()) / 3, (mark.blue() + 2 * card.blue()) / 3);
  QString joined;
  for (const AnswerToken& token : answer.tokens) joined += QString::fromStdString(token.piece);
  const qsizetype lead = joined.indexOf(answer.text);
  const bool by_token = !answer.text.isEmpty() && lead >= 0;
  const auto span = [&](qsizetype begin, qsizetype end, const QString& link) {
    // A token may begin or end inside a changed word: it is marked when it overlaps one.
    bool differs = false;
    for (const TextRange& range : changed) differs = differs || (begin < range.end && end > range.begin);
    const QString style = QStringLiteral("color:%1; text-decoration:%2;%3")
                              .arg(colours().text.name(), differs ? QStringLiteral("underline") : QStringLiteral("none"),
                                   differs ? QStringLiteral("background:%1").arg(mark.name()) : QString());
    const QString piece = shown_piece(answer.text.mid(begin, end - begin));
    return link.isEmpty() ? QStringLiteral("<span style='%1'>%2</span>").arg(style, piece) : QStringLiteral("<a href='%1' style='%2'>%3</a>").arg(link, style, piece);
  };
  QString html;
  if (by_token) {
    qsizetype at = -lead, unbroken = 0;
    for (std::size_t i = 0; i < answer.tokens.size(); ++i) {
      const qsizetype next = at + QString::fromStdString(answer.tokens[i].piece).size();
      const qsizetype begin = std::max<qsizetype>(at, 0), end = std::min(next, answer.text.size());
      if (end > begin) {
        html += span(begin, end, QString::number(i));
        // Where no space comes for long, a line may break between tokens.
        const qsizetype space = answer.text.mid(begin, end - begin).lastIndexOf(QLatin1Char(' '));
        unbroken = space >= 0 ? end - begin - space : unbroken + end - begin;
        if (unbroken > kLongestWord) {
          html += QStringLiteral("&#8203;");
          unbroken = 0;
        }
      }
      at = next;
    }
    return html;
  }
  qsizetype at = 0;
  for (const TextRange& range : changed) {
    if (range.begin > at) html += shown_piece(answer.text.mid(at, range.begin - at));
    html += span(range.begin, range.end, {});
    at = range.end;
  }
  return html + shown_piece(answer.text.mid(at));
}

void AnswerCell::show_answer(const Answer& answer, const QString* reference, const QString& expected, bool waiting) {
  tokens_ = answer.tokens;
  if (!answer.begun) {
    text_->setText(QStringLiteral("<span style='color:%1'>%2</span>").arg(colours().muted.name(), waiting ? tr("waiting…") : tr("not asked yet")));
    facts_->clear();
    return;
  }
  text_->setText(answer_html(answer, reference) + (answer.final ? QString() : QStringLiteral("<span style='color:%1'>▌</span>").arg(colours().accent.name())));
  QStringList facts;
  if (reference && answer.final) facts << (*reference == answer.text ? tr("= reference") : tr("≠ reference"));
  if (answer.final && !expected.isEmpty()) facts << (answer.text.trimmed() == expected ? tr("✓ exact") : tr("✗ not exact"));
  if (!answer.tokens.empty()) facts << tr("p %1").arg(QString::number(answer.confidence(), 'f', 2));
  facts << tr("%n tokens", nullptr, static_cast<int>(answer.tokens.size()));
  if (answer.final) facts << tr("%1 ms").arg(QString::number(answer.seconds * 1000, 'f', 0));
  if (answer.finish == "length") facts << tr("cut at the limit");
  facts_->setText(facts.join(QStringLiteral("  ·  ")));
}

void AnswerCell::hover(const QString& link) {
  bool number = false;
  const std::size_t index = link.toULongLong(&number);
  if (number && index < tokens_.size()) QToolTip::showText(QCursor::pos(), token_tooltip(tokens_[index]), text_);
  else QToolTip::hideText();
}

void AnswerCell::paintEvent(QPaintEvent*) {
  QPainter p(this);
  p.fillRect(rect(), colours().card);
  p.setPen(colours().line);
  p.drawLine(width() - 1, 0, width() - 1, height());
  p.drawLine(0, height() - 1, width(), height() - 1);
}

}  // namespace luthier
