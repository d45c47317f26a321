// SPDX-License-Identifier: GPL-3.0-or-later
// comparison.json for programs, comparison.html for people. The page is static: a style sheet, a table, titles for hovering; whatever an answer
// or a file name holds is text in it.
#include <cmath>
#include <cstdio>

#include "engine/compare/comparison.h"
#include "engine/compare/html.h"
#include "engine/io/files.h"
#include "engine/vision/inline_picture.h"

namespace luthier {
namespace {

constexpr const char* style = R"(
:root { color-scheme: light dark; --line: #d7dae0; --soft: #6a7080; --mark: #fde9c4; --card: #ffffff; --page: #f5f6f8; --good: #1b7f4d; }
@media (prefers-color-scheme: dark) { :root { --line: #363b46; --soft: #9aa2b1; --mark: #5a4415; --card: #1e2128; --page: #15171c; --good: #56c58b; } }
body { font: 15px/1.5 system-ui, "Noto Sans", "Noto Sans CJK KR", sans-serif; margin: 2rem; background: var(--page); }
h1 { font-size: 1.3rem; margin: 0 0 .25rem; } p { color: var(--soft); margin: 0 0 1.25rem; }
table { border-collapse: collapse; width: 100%; background: var(--card); border: 1px solid var(--line); border-radius: 8px; table-layout: fixed; }
th, td { border: 1px solid var(--line); padding: .6rem .75rem; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
th { position: sticky; top: 0; background: var(--card); } th small, .about { color: var(--soft); font-weight: normal; font-size: .8rem; display: block; }
td.sample { width: 15rem; } th:first-child { width: 15rem; } img { max-width: 13rem; max-height: 13rem; border-radius: 4px; display: block; margin-bottom: .4rem; image-rendering: auto; }
.answer { white-space: pre-wrap; } .differs { background: var(--mark); border-radius: 3px; } .exact { color: var(--good); }
.tokens span { border-bottom: 2px solid rgba(120, 130, 150, calc(1 - var(--p))); } .num { font-variant-numeric: tabular-nums; text-align: right; }
)";

const std::string number(double value, const char* format) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string size_text(std::uint64_t bytes) {
  return bytes >= (1u << 20) ? number(static_cast<double>(bytes) / (1u << 20), "%.1f MiB") : number(static_cast<double>(bytes) / 1024, "%.0f KiB");
}

Json scores_json(const std::map<std::string, double>& scores) {
  Json json = Json::object();
  for (const auto& [name, score] : scores) json[name] = score;
  return json;
}

/// The prompt's turns and pictures, and what is expected.
Json sample_json(const ComparisonSample& sample) {
  Json messages = Json::array();
  for (const Message& message : sample.conversation.messages) {
    Json content = Json::array();
    for (const ContentPart& part : message.content) {
      if (part.kind == ContentPart::Kind::Image)
        content.push_back({{"type", "image"}, {"path", picture_name(part.image)}});
      else content.push_back({{"type", "text"}, {"text", part.text}});
    }
    messages.push_back({{"role", message.role}, {"content", std::move(content)}});
  }
  Json json = {{"where", sample.where}, {"messages", std::move(messages)}};
  const auto expected = sample.expected();
  json["expected"] = expected ? Json(*expected) : Json(nullptr);
  return json;
}

std::string sample_html(const ComparisonSample& sample) {
  std::string html;
  const auto& messages = sample.conversation.messages;
  const std::size_t prompts = messages.size() - (sample.expected() ? 1 : 0);
  for (std::size_t i = 0; i < prompts; ++i) {
    for (const ContentPart& part : messages[i].content) {
      if (part.kind == ContentPart::Kind::Text) {
        html += "<div class=\"answer\">" + html_escaped(part.text) + "</div>";
        continue;
      }
      const std::string uri = picture_data_uri(part.image, 320);
      const std::string name =
          html_escaped(is_inline_picture(part.image) ? picture_name(part.image)
                                                     : part.image.filename().string());
      if (uri.empty()) html.append("<div class=\"about\">").append(name).append("</div>");
      else html.append("<img alt=\"").append(name).append("\" src=\"").append(uri).append("\">");
    }
  }
  if (const auto expected = sample.expected()) html += "<div class=\"about\">expected</div><div class=\"answer\">" + html_escaped(*expected) + "</div>";
  return html + "<div class=\"about\">" + html_escaped(sample.where) + "</div>";
}

std::string tokens_html(const std::vector<AnswerToken>& tokens) {
  std::string html = "<div class=\"answer tokens\">";
  for (const AnswerToken& token : tokens) {
    const double probability = std::exp(token.logprob);
    std::string title = "p ";
    title += number(probability, "%.3f");
    for (const auto& [piece, other] : token.alternatives) title += "\n" + number(other, "%.3f") + "  " + piece;
    html += "<span style=\"--p:" + number(probability, "%.3f") + "\" title=\"" + html_escaped(title) + "\">" + html_escaped(token.piece) + "</span>";
  }
  return html + "</div>";
}

std::string answer_html(const ComparisonAnswer& answer, const ComparisonAnswer& reference, bool is_reference) {
  std::string html = "<div class=\"answer\">";
  const auto words = words_of(answer.text);
  const auto common = words_in_common(words, words_of(reference.text));
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string word = html_escaped(words[i]);
    if (is_reference || common[i]) html += word;
    else html.append("<span class=\"differs\">").append(word).append("</span>");
  }
  html += "</div>";
  double sum = 0;
  for (const AnswerToken& token : answer.tokens) sum += token.logprob;
  const double mean = answer.tokens.empty() ? 0 : std::exp(sum / static_cast<double>(answer.tokens.size()));
  html += "<details><summary class=\"about\">p " + number(mean, "%.2f") + " · " + std::to_string(answer.tokens.size()) + " tokens · " + number(answer.seconds * 1000, "%.0f ms");
  const auto exact = answer.scores.find("exact");
  if (exact != answer.scores.end() && exact->second == 1) html += " · <span class=\"exact\">exact</span>";
  else if (exact != answer.scores.end()) html.append(" · F1 ").append(number(answer.scores.at("token_f1"), "%.2f"));
  return html + "</summary>" + tokens_html(answer.tokens) + "</details>";
}

}  // namespace

Json to_json(const Comparison& comparison) {
  Json columns = Json::array(), rows = Json::array(), scores = Json::object();
  for (std::size_t i = 0; i < comparison.columns.size(); ++i) {
    const ComparisonColumn& column = comparison.columns[i];
    Json json = {{"name", column.name}};
    json["adapter"] = column.adapter.empty() ? Json(nullptr) : Json(column.adapter);
    json["bytes"] = column.bytes;
    columns.push_back(std::move(json));
    scores[column.name] = i < comparison.scores.size() ? scores_json(comparison.scores[i]) : Json::object();
  }
  for (const ComparisonRow& row : comparison.rows) {
    Json answers = Json::array();
    for (const ComparisonAnswer& answer : row.answers) {
      Json ids = Json::array(), logprobs = Json::array();
      for (const AnswerToken& token : answer.tokens) {
        ids.push_back(token.id);
        logprobs.push_back(token.logprob);
      }
      answers.push_back({{"text", answer.text}, {"token_ids", std::move(ids)}, {"logprobs", std::move(logprobs)}, {"seconds", answer.seconds},
                         {"finish", answer.finish}, {"scores", scores_json(answer.scores)}});
    }
    rows.push_back({{"sample", sample_json(row.sample)}, {"answers", std::move(answers)}});
  }
  const GenerationOptions& options = comparison.options;
  return {{"model", comparison.model.string()},
          {"options", {{"max_new_tokens", options.max_new_tokens}, {"temperature", options.temperature}, {"top_p", options.top_p}, {"seed", options.seed}}},
          {"columns", std::move(columns)}, {"rows", std::move(rows)}, {"scores", std::move(scores)}};
}

std::string to_html(const Comparison& comparison) {
  std::string html = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">"
                     "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">"
                     "<title>Luthier comparison</title><style>";
  html += style;
  html += "</style></head><body><h1>" + html_escaped(comparison.model.filename().string()) + "</h1><p>" + std::to_string(comparison.rows.size()) + " samples · " +
          (comparison.options.temperature == 0 ? std::string("greedy") : "temperature " + number(comparison.options.temperature, "%.2g")) + " · at most " +
          std::to_string(comparison.options.max_new_tokens) + " tokens · words that differ from the first column are marked</p>\n<table><thead><tr><th>sample</th>";
  for (const ComparisonColumn& column : comparison.columns) {
    html.append("<th>").append(html_escaped(column.name)).append("<small>").append(size_text(column.bytes));
    if (!column.adapter.empty()) html.append(" · ").append(html_escaped(column.adapter));
    html += "</small></th>";
  }
  html += "</tr></thead><tbody>\n";
  std::map<std::string, bool> names;
  for (const auto& scores : comparison.scores) {
    for (const auto& [name, score] : scores) names[name] = true;
  }
  for (const auto& [name, there] : names) {
    html += "<tr><td class=\"about\">" + html_escaped(name) + "</td>";
    for (const auto& scores : comparison.scores) {
      const auto found = scores.find(name);
      html.append("<td class=\"num\">").append(found == scores.end() ? "–" : number(found->second * 100, "%.1f %%")).append("</td>");
    }
    html += "</tr>\n";
  }
  for (const ComparisonRow& row : comparison.rows) {
    html += "<tr><td class=\"sample\">" + sample_html(row.sample) + "</td>";
    for (std::size_t i = 0; i < row.answers.size(); ++i) html += "<td>" + answer_html(row.answers[i], row.answers[0], i == 0) + "</td>";
    html += "</tr>\n";
  }
  return html + "</tbody></table></body></html>\n";
}

Status write_comparison(const Comparison& comparison, const std::filesystem::path& out) {
  std::error_code problem;
  std::filesystem::create_directories(out, problem);
  if (problem) return machine_error("The folder cannot be made: " + problem.message() + ".", out.string());
  LUTHIER_CHECK(write_file_atomically(out / "comparison.json", to_json(comparison).dump(1, ' ', false, Json::error_handler_t::replace) + "\n"));
  return write_file_atomically(out / "comparison.html", to_html(comparison));
}

}  // namespace luthier
