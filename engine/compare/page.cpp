// SPDX-License-Identifier: GPL-3.0-or-later
// comparison.html: a style sheet, a table, titles for hovering. Whatever an answer or a file name
// holds is text in it.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

#include "engine/base/text.h"
#include "engine/compare/answer_pieces.h"
#include "engine/compare/documents.h"
#include "engine/compare/html.h"
#include "engine/compare/page_scored.h"
#include "engine/compare/result_folder.h"
#include "engine/compare/scores.h"
#include "engine/data/film_strip.h"
#include "engine/methods/adapter_notes.h"
#include "engine/vision/inline_picture.h"

namespace luthier {
namespace {

constexpr int kPictureEdge = 320;
constexpr std::int64_t kShownFrames = 6;

constexpr const char* kStyle = R"(
:root { color-scheme: light dark; --line: #d7dae0; --soft: #5f6675; --mark: #fde9c4;
  --card: #ffffff; --page: #f5f6f8; --good: #1b7f4d; }
@media (prefers-color-scheme: dark) { :root { --line: #363b46; --soft: #9aa2b1; --mark: #5a4415;
  --card: #1e2128; --page: #15171c; --good: #56c58b; } }
body { font: 15px/1.5 system-ui, "Noto Sans", "Noto Sans CJK KR", sans-serif; margin: 2rem;
  background: var(--page); }
h1 { font-size: 1.3rem; margin: 0 0 .25rem; } p { color: var(--soft); margin: 0 0 1.25rem; }
table { border-collapse: collapse; width: 100%; background: var(--card);
  border: 1px solid var(--line); border-radius: 8px; table-layout: fixed; }
th, td { border: 1px solid var(--line); padding: .6rem .75rem; text-align: left;
  vertical-align: top; overflow-wrap: anywhere; }
th { position: sticky; top: 0; background: var(--card); }
th small, .about { color: var(--soft); font-weight: normal; font-size: .8rem; display: block; }
td.sample { width: 15rem; } th:first-child { width: 15rem; }
img { max-width: 13rem; max-height: 13rem; border-radius: 4px; display: block;
  margin-bottom: .4rem; }
.answer { white-space: pre-wrap; } .differs { background: var(--mark); border-radius: 3px; }
.answer span { border-bottom: 2px solid rgba(120, 130, 150, calc(1 - var(--p, 1))); }
.strip span { background: rgba(0, 114, 178, calc(var(--d, 0) * .6)); border-radius: 3px;
  padding: 0 .15rem; margin-right: 1px; white-space: pre-wrap; }
.strip .other { outline: 2px dashed var(--soft); }
.exact { color: var(--good); } .num { font-variant-numeric: tabular-nums; }
)";

std::string number(double value, const char* format) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

/// The words with what stands for %1 and %2, made safe.
std::string filled(std::string words, const std::string& first, const std::string& second = {}) {
  std::string result;
  for (std::size_t at = 0; at < words.size(); ++at) {
    const bool place = words[at] == '%' && at + 1 < words.size();
    if (place && (words[at + 1] == '1' || words[at + 1] == '2')) {
      result += words[++at] == '1' ? first : second;
    } else {
      result += words[at];
    }
  }
  return html_escaped(result);
}

std::string name_of(const ComparisonColumn& column, const ComparisonWords& words) {
  return column.is_base() ? words.base : column.name;
}

/// What was compared: "korean, json beside teaching-base".
std::string title_of(const Comparison& comparison, const ComparisonWords& words) {
  std::string names;
  for (const ComparisonColumn& column : comparison.columns) {
    if (!column.is_base()) names += (names.empty() ? "" : ", ") + column.name;
  }
  const std::string base = readable_model_name(comparison.model);
  return names.empty() ? html_escaped(base) : filled(words.title, names, base);
}

/// Files that the samples come from.
std::string files_of(const Comparison& comparison) {
  std::set<std::string> files;
  for (const ComparisonRow& row : comparison.rows) {
    const std::string place = short_place(row.sample.where);
    const std::size_t end = place.rfind(": row ");
    if (end != std::string::npos) files.insert(place.substr(0, end));
  }
  std::string text;
  for (const std::string& file : files) text += (text.empty() ? "" : ", ") + file;
  return text;
}

/// How it was asked, under the heading.
std::string facts_of(const Comparison& comparison, const ComparisonWords& words) {
  std::vector<std::string> facts;
  const auto add = [&](const std::string& text) {
    if (!text.empty()) facts.push_back(text);
  };
  add(html_escaped(words.base + " " + readable_model_name(comparison.model)));
  add(html_escaped(comparison.device + (comparison.dtype.empty() ? "" : " " + comparison.dtype)));
  const std::string files = files_of(comparison), count = std::to_string(comparison.rows.size());
  add(filled(words.samples, files.empty() ? count : count + " (" + files + ")"));
  const std::size_t all = comparison.rows.size() * comparison.columns.size();
  const std::size_t answered = comparison.answered();
  if (answered < all) add(filled(words.answered, std::to_string(answered), std::to_string(all)));
  const GenerationOptions& options = comparison.options;
  add(html_escaped(options.temperature > 0 ? words.sampled : words.greedy));
  add("temperature " + number(options.temperature, "%.4g"));
  add("top_p " + number(options.top_p, "%.4g"));
  add("seed " + std::to_string(options.seed));
  add("max_new_tokens " + std::to_string(options.max_new_tokens));
  if (comparison.reference < comparison.columns.size()) {
    const std::string name = name_of(comparison.columns[comparison.reference], words);
    add(html_escaped(words.reference + " " + name));
  }
  if (!comparison.reward_model.empty())
    add(filled(words.rewarded, result_name(comparison.reward_model)));
  if (!comparison.pattern.empty()) add(html_escaped(words.pattern + " " + comparison.pattern));
  add(html_escaped(words.marks));
  std::string text;
  for (const std::string& fact : facts) text += (text.empty() ? "" : " · ") + fact;
  return text;
}

std::string head_html(const Comparison& comparison, std::size_t index,
                      const ComparisonWords& words) {
  const ComparisonColumn& column = comparison.columns[index];
  std::string html = "<th>" + html_escaped(name_of(column, words));
  html += "<small>" + size_text(column.bytes);
  if (index == comparison.reference) html += " · " + html_escaped(words.reference);
  if (column.whole) html += " · " + html_escaped(words.checkpoint);
  if (!column.is_base() && !column.whole) {
    html += " · " + filled(words.strength, number(column.strength, "%.2f"));
  }
  if (column.image.any()) html += " · " + pixels_text(column.image);
  html += "</small>";
  if (!column.is_base()) {
    // Its end says enough; the whole of it is there on hover.
    const std::filesystem::path path(column.adapter);
    const auto end = path.parent_path().parent_path().filename() / path.parent_path().filename() /
                     path.filename();
    html += "<small title=\"" + html_escaped(column.adapter) + "\">" + html_escaped(end.string());
    html += "</small>";
  }
  return html + "</th>";
}

/// Some of its frames, and its name.
std::string film_html(const RowFilm& film) {
  const std::string name = html_escaped(film_name(film));
  std::string html;
  if (const auto strip = film_strip(film, kShownFrames, kPictureEdge / 2))
    html += "<img alt=\"" + name + "\" title=\"" + name + "\" src=\"" + data_uri(*strip) + "\">";
  return html + "<div class=\"about\">" + name + "</div>";
}

std::string sample_html(const Sample& sample, const ComparisonWords& words) {
  std::string html;
  const auto& messages = sample.conversation.messages;
  const auto expected = sample.expected();
  for (std::size_t i = 0; i + (expected ? 1 : 0) < messages.size(); ++i) {
    for (const ContentPart& part : messages[i].content) {
      if (part.kind == ContentPart::Kind::Text) {
        html += "<div class=\"answer\">" + html_escaped(part.text) + "</div>";
        continue;
      }
      if (part.kind == ContentPart::Kind::Film) {
        html += film_html(part.film);
        continue;
      }
      const std::string uri = picture_data_uri(part.image, kPictureEdge);
      const std::string name =
          html_escaped(is_inline_picture(part.image) ? picture_name(part.image)
                                                     : part.image.filename().string());
      html += uri.empty() ? "<div class=\"about\">" + name + "</div>"
                          : "<img alt=\"" + name + "\" title=\"" + name + "\" src=\"" + uri + "\">";
    }
  }
  if (expected) {
    html += "<div class=\"about\">" + html_escaped(words.expected) + "</div><div class=\"answer\">";
    html += html_escaped(*expected) + "</div>";
  }
  return html + "<div class=\"about\">" + html_escaped(short_place(sample.where)) + "</div>";
}

/// A token's probability and the runners-up, a line each.
std::string token_title(const AnswerToken& token) {
  std::string title = number(std::exp(token.logprob), "%.4f") + "  " + token.piece;
  for (const auto& [piece, other] : token.alternatives) {
    title.append("\n").append(number(other, "%.4f")).append("  ").append(piece);
  }
  return title;
}

std::string text_html(const ComparisonAnswer& answer, const std::string* reference) {
  std::string html = "<div class=\"answer\">";
  for (const AnswerPiece& piece : answer_pieces(answer, reference)) {
    const std::string text = html_escaped(answer.text.substr(piece.begin, piece.end - piece.begin));
    if (piece.tokens.empty() && !piece.differs) {
      html += text;
      continue;
    }
    html += piece.differs ? "<span class=\"differs\"" : "<span";
    std::string title;
    double least = 1;
    for (const std::size_t index : piece.tokens) {
      title += (title.empty() ? "" : "\n\n") + token_title(answer.tokens[index]);
      least = std::min(least, std::exp(answer.tokens[index].logprob));
    }
    if (!title.empty()) {
      html += " style=\"--p:" + number(least, "%.3f") + "\" title=\"" + html_escaped(title) + "\"";
    }
    html += ">" + text + "</span>";
  }
  return html + "</div>";
}

std::string answer_html(const ComparisonAnswer& answer, const std::string* reference,
                        const ComparisonWords& words) {
  if (!answer.whole()) return "<div class=\"about\">" + html_escaped(words.not_asked) + "</div>";
  std::string html = text_html(answer, reference) + "<div class=\"about\">";
  if (!answer.by.empty())
    html += html_escaped(answer.by) + number(answer.sureness * 100, " %.0f %% · ");
  html += "p ";
  html += number(answer.confidence(), "%.2f") + " · ";
  html += filled(words.tokens, std::to_string(answer.tokens.size()));
  html += " · " + number(answer.seconds * 1000, "%.0f ms");
  if (answer.finish == "length") html += " · " + html_escaped(words.cut);
  const auto exact = answer.scores.find("exact"), f1 = answer.scores.find("token_f1");
  if (exact != answer.scores.end() && exact->second == 1) {
    html += " · <span class=\"exact\">" + html_escaped(words.exact) + "</span>";
  } else if (f1 != answer.scores.end()) {
    html += " · " + html_escaped(words.token_f1) + number(f1->second * 100, " %.0f %%");
  }
  if (const auto reward = answer.scores.find(kRewardScore); reward != answer.scores.end())
    html += " · " + html_escaped(words.reward) + number(reward->second, " %.3f");
  return html + "</div>";
}

std::string scores_html(const Comparison& comparison, const ComparisonWords& words) {
  std::vector<std::map<std::string, ColumnScore>> scores;
  for (std::size_t i = 0; i < comparison.columns.size(); ++i) {
    scores.push_back(column_scores(comparison, i));
  }
  std::string html;
  std::vector<const char*> keys(kScoreKeys.begin(), kScoreKeys.end());
  keys.insert(keys.end(), kNumberKeys.begin(), kNumberKeys.end());
  for (const char* key : keys) {
    const bool share = std::find(kNumberKeys.begin(), kNumberKeys.end(), key) == kNumberKeys.end();
    std::string cells;
    bool any = false;
    for (const auto& column : scores) {
      const auto found = column.find(key);
      any = any || found != column.end();
      const std::string text = found == column.end()
                                   ? "–"
                                   : filled(words.of,
                                            share ? number(found->second.mean * 100, "%.1f %%")
                                                  : number(found->second.mean, "%.3f"),
                                            std::to_string(found->second.of));
      cells += "<td class=\"num\">" + text + "</td>";
    }
    if (!any) continue;
    html += "<tr><td>" + html_escaped(score_name(key, words)) + "</td>" + cells + "</tr>\n";
  }
  return html;
}

}  // namespace

std::string score_name(const std::string& key, const ComparisonWords& words) {
  if (key == "exact") return words.exact_match;
  if (key == "token_f1") return words.token_f1;
  if (key == "chrf") return words.chrf;
  if (key == kRewardScore) return words.reward;
  if (key == kWinRate) return words.win_rate;
  if (key == "pattern") return words.pattern;
  if (key == "rouge_l") return "ROUGE-L";
  if (key == "bleu") return "BLEU";
  if (key == "anls") return "ANLS";
  if (key == kCiderScore) return "CIDEr-D";
  if (key == "box") return words.box;
  return key == "json" ? words.json : key;
}

std::string to_html(const Comparison& comparison, const ComparisonWords& words) {
  const std::string title = title_of(comparison, words);
  std::string html =
      "<!doctype html>\n<html lang=\"" + html_escaped(words.language) +
      "\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
      "style-src 'unsafe-inline'\"><title>" +
      title + "</title><style>";
  html += kStyle;
  html += "</style></head><body><h1>" + title + "</h1><p>" + facts_of(comparison, words) + "</p>\n";
  html += "<table><thead><tr><th>" + html_escaped(words.sample) + "</th>";
  for (std::size_t i = 0; i < comparison.columns.size(); ++i) {
    html += head_html(comparison, i, words);
  }
  html += "</tr></thead><tbody>\n" + scores_html(comparison, words) + votes_html(comparison, words);
  for (const ComparisonRow& row : comparison.rows) {
    html += "<tr><td class=\"sample\">" + sample_html(row.sample, words) + "</td>";
    const bool marks =
        comparison.reference < row.answers.size() && row.answers[comparison.reference].whole();
    for (std::size_t i = 0; i < row.answers.size(); ++i) {
      const bool other = marks && i != comparison.reference;
      const std::string* reference = other ? &row.answers[comparison.reference].text : nullptr;
      html += "<td>" + answer_html(row.answers[i], reference, words) + "</td>";
    }
    html += "</tr>\n" + scored_html(comparison, row, words);
  }
  return html + "</tbody></table></body></html>\n";
}

}  // namespace luthier
