// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/train/drawn_answers.h"

#include <QCoreApplication>
#include <QFontMetrics>
#include <QStringList>
#include <algorithm>
#include <cmath>
#include <numeric>

#include "ui/format.h"
#include "ui/theme.h"

namespace luthier {

namespace {

constexpr qsizetype kShownLetters = 800, kLongestRun = 24;

struct Words {
  Q_DECLARE_TR_FUNCTIONS(DrawnAnswers)
};

/// As rich text, with places to break where no space comes for long.
QString broken_html(const QString& text) {
  QString html;
  qsizetype run = 0;
  for (const QChar letter : text) {
    run = letter.isSpace() ? 0 : run + 1;
    html += letter == QLatin1Char('\n') ? QStringLiteral("<br>") : QString(letter).toHtmlEscaped();
    if (run < kLongestRun || letter.isHighSurrogate()) continue;
    html += QStringLiteral("&#8203;");
    run = 0;
  }
  return html;
}

QString coloured(const QColor& colour, const QString& text) {
  return QStringLiteral("<span style='color:%1'>%2</span>").arg(colour.name(), text);
}

/// What each judge says, where there are several, and how long it is.
QString facts_of(const DrawnRow& row, const DrawnAnswer& answer) {
  QStringList facts;
  if (row.judges.size() > 1)
    for (std::size_t j = 0; j < row.judges.size(); ++j)
      facts << QStringLiteral("%1 %2").arg(
          QString::fromStdString(row.judges[j]).toHtmlEscaped(),
          std::isnan(answer.rewards[j]) ? QStringLiteral("–") : number_text(answer.rewards[j], 3));
  facts << Words::tr("%n tokens", nullptr, static_cast<int>(answer.tokens));
  return facts.join(QStringLiteral(" · "));
}

QString text_of(const DrawnRow& row, std::size_t answer, const std::set<std::size_t>* whole) {
  QString text = QString::fromStdString(row.answers[answer].text);
  if (text.isEmpty()) return coloured(colours().muted, Words::tr("(empty)"));
  const qsizetype letters = text.size();
  if (!whole || letters <= kShownLetters) return broken_html(text);
  const bool all = whole->contains(answer);
  if (!all) text = text.left(kShownLetters) + QStringLiteral("…");
  return broken_html(text) +
         QStringLiteral(" <a href='%1' style='color:%2'>%3</a>")
             .arg(QString::number(answer), colours().accent.name(),
                  all ? Words::tr("shorter")
                      : Words::tr("all %1 characters").arg(grouped_text(letters)));
}

}  // namespace

RankedAnswers ranked_answers(const DrawnRow& row, const std::string& judge,
                             const std::vector<double>& weights) {
  RankedAnswers ranked;
  const auto found = std::find(row.judges.begin(), row.judges.end(), judge);
  const auto by = static_cast<std::size_t>(found - row.judges.begin());
  std::vector<double>& worth = ranked.worth;
  for (const DrawnAnswer& answer : row.answers)
    worth.push_back(judge.empty()                ? reward_sum(answer.rewards, weights)
                    : by < answer.rewards.size() ? answer.rewards[by]
                                                 : std::nan(""));
  ranked.order.resize(row.answers.size());
  std::iota(ranked.order.begin(), ranked.order.end(), std::size_t{0});
  std::stable_sort(ranked.order.begin(), ranked.order.end(), [&](std::size_t a, std::size_t b) {
    return !std::isnan(worth[a]) && (std::isnan(worth[b]) || worth[a] > worth[b]);
  });
  return ranked;
}

QString answers_html(const DrawnRow& row, const RankedAnswers& ranked,
                     const std::set<std::size_t>* whole) {
  const Colours& c = colours();
  const auto& [worths, order] = ranked;
  const auto last = std::find_if(order.rbegin(), order.rend(), [&](std::size_t answer) {
    return !std::isnan(ranked.worth[answer]);
  });
  const bool differ = last != order.rend() && worths[order.front()] > worths[*last];
  // Room for a mark and for a number: a text area that breaks words anywhere breaks neither.
  const QFontMetrics metrics(scaled_font(1.0, true));
  int room = metrics.horizontalAdvance(QStringLiteral("-0.0000"));
  for (const QString& word : {Words::tr("best"), Words::tr("worst")})
    room = std::max(room, metrics.horizontalAdvance(QStringLiteral("▲ ") + word));
  QString html = QStringLiteral("<table width='100%' cellspacing='0' cellpadding='0'>");
  for (const std::size_t answer : order) {
    const double worth = worths[answer];
    QString mark;
    if (differ && worth == worths[order.front()])
      mark =
          QStringLiteral("<br>") + coloured(c.good, QStringLiteral("▲&nbsp;") + Words::tr("best"));
    if (differ && worth == worths[*last])
      mark = QStringLiteral("<br>") +
             coloured(c.warning, QStringLiteral("▼&nbsp;") + Words::tr("worst"));
    const QString number = std::isnan(worth) ? QStringLiteral("–") : number_text(worth, 3);
    html += QStringLiteral(
                "<tr><td width='%1' align='right' style='padding:2px 14px 4px 0'><b>%2</b>%3</td>"
                "<td style='padding:2px 0 4px 0'>%4<br>%5</td></tr>")
                .arg(QString::number(room + 14), number, mark, text_of(row, answer, whole),
                     coloured(c.muted, facts_of(row, row.answers[answer])));
  }
  return html + QStringLiteral("</table>");
}

}  // namespace luthier
