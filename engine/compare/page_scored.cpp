// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/compare/page_scored.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "engine/compare/html.h"

namespace luthier {

namespace {

std::string figure(double value, const char* format) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string strip_html(const ScoredAnswer& scored, const ScoredColumn& column) {
  const auto other = column.first_other(scored.tokens);
  std::string html = "<div class=\"strip\">";
  for (std::size_t i = 0; i < std::min(column.tokens.size(), scored.tokens.size()); ++i) {
    const TokenScore& token = column.tokens[i];
    const double chance = std::exp(token.logprob);
    const std::string title = "p " + figure(chance, "%.4f") + "\nKL " +
                              figure(token.divergence, "%.4f") + "\n" +
                              figure(token.likeliest_probability, "%.4f") + "  " +
                              token.likeliest_piece;
    html += other == i ? "<span class=\"other\"" : "<span";
    html += " style=\"--d:" + figure(1 - chance, "%.3f") + "\" title=\"" + html_escaped(title) +
            "\">" + html_escaped(scored.tokens[i].piece) + "</span>";
  }
  return html + "</div>";
}

}  // namespace

std::string scored_html(const Comparison& comparison, const ComparisonRow& row,
                        const ComparisonWords& words) {
  std::string html;
  for (const ScoredAnswer& scored : row.scored) {
    const std::string of = scored.of == kExpectedAnswer ? words.expected
                           : scored.of == kBaseColumn   ? words.base
                                                        : scored.of;
    html += "<tr><td class=\"sample about\">" + html_escaped(words.scored + " " + of) + "</td>";
    for (const ComparisonColumn& each : comparison.columns) {
      const auto column =
          std::find_if(scored.columns.begin(), scored.columns.end(),
                       [&](const ScoredColumn& own) { return own.name == each.name; });
      html += "<td>";
      if (column != scored.columns.end())
        html += strip_html(scored, *column) + "<div class=\"about\">log p " +
                figure(column->logprob(), "%.2f") + " · KL " +
                figure(column->divergence(), "%.3f") + "</div>";
      html += "</td>";
    }
    html += "</tr>\n";
  }
  return html;
}

std::string votes_html(const Comparison& comparison, const ComparisonWords& words) {
  if (comparison.votes.empty()) return {};
  std::string html = "<tr><td>" + html_escaped(words.judged) + "</td>";
  for (const WinRate& rate : win_rates(comparison))
    html += "<td class=\"num\">" + figure(rate.rate * 100, "%.1f %%") + " (" +
            figure(rate.low * 100, "%.1f") + "–" + figure(rate.high * 100, "%.1f %%") + ", " +
            figure(rate.wins, "%.3g") + "/" + std::to_string(rate.votes) + ")</td>";
  return html + "</tr>\n";
}

}  // namespace luthier
