// SPDX-License-Identifier: GPL-3.0-or-later
// comparison.csv: a line an answer, each with all that made it, so that lines can be taken apart
// and put together. RFC 4180, behind a byte order mark, without which spreadsheets take Korean for
// something else.
#include <algorithm>
#include <cstdio>

#include "engine/compare/documents.h"
#include "engine/compare/scores.h"
#include "engine/io/files.h"

namespace luthier {

namespace {

std::string cell(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + "\"";
}

std::string cell_of(double number) {
  char text[40];
  std::snprintf(text, sizeof text, "%.9g", number);
  return text;
}

std::string line_of(const std::vector<std::string>& cells) {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) line += (i > 0 ? "," : "") + cell(cells[i]);
  return line + "\r\n";
}

std::vector<const char*> keys_of(const Comparison& comparison) {
  std::vector<const char*> all(kScoreKeys.begin(), kScoreKeys.end()), keys;
  all.insert(all.end(), kNumberKeys.begin(), kNumberKeys.end());
  for (const char* key : all) {
    const bool there =
        std::any_of(comparison.rows.begin(), comparison.rows.end(), [&](const ComparisonRow& row) {
          return std::any_of(row.answers.begin(), row.answers.end(),
                             [&](const auto& answer) { return answer.scores.contains(key); });
        });
    if (there) keys.push_back(key);
  }
  return keys;
}

}  // namespace

std::string to_csv(const Comparison& comparison) {
  const auto keys = keys_of(comparison);
  std::vector<std::string> head{"row",    "where",          "question", "expected", "column",
                                "answer", "finish",         "tokens",   "seconds",  "probability",
                                "model",  "adapter",        "strength", "seed",     "temperature",
                                "top_p",  "max_new_tokens", "reference"};
  for (const char* key : keys) head.push_back(key);
  head.push_back("vote");
  std::string csv = "\xEF\xBB\xBF" + line_of(head);
  const GenerationOptions& options = comparison.options;
  const std::string reference = comparison.reference < comparison.columns.size()
                                    ? comparison.columns[comparison.reference].name
                                    : std::string();
  for (std::size_t r = 0; r < comparison.rows.size(); ++r) {
    const ComparisonRow& row = comparison.rows[r];
    const auto vote = std::find_if(comparison.votes.begin(), comparison.votes.end(),
                                   [&](const Vote& each) { return each.row == r; });
    for (std::size_t c = 0; c < row.answers.size() && c < comparison.columns.size(); ++c) {
      const ComparisonAnswer& answer = row.answers[c];
      const ComparisonColumn& column = comparison.columns[c];
      if (!answer.whole()) continue;
      std::vector<std::string> cells{std::to_string(r + 1),
                                     short_place(row.sample.where),
                                     row.sample.question(),
                                     row.sample.expected().value_or(""),
                                     column.name,
                                     answer.text,
                                     answer.finish,
                                     std::to_string(answer.tokens.size()),
                                     cell_of(answer.seconds),
                                     cell_of(answer.confidence()),
                                     comparison.model.string(),
                                     column.adapter,
                                     column.is_base() ? "" : cell_of(column.strength),
                                     std::to_string(options.seed),
                                     cell_of(options.temperature),
                                     cell_of(options.top_p),
                                     std::to_string(options.max_new_tokens),
                                     reference};
      for (const char* key : keys) {
        const auto found = answer.scores.find(key);
        cells.push_back(found == answer.scores.end() ? "" : cell_of(found->second));
      }
      cells.push_back(vote == comparison.votes.end() ? ""
                      : vote->column.empty()         ? "tie"
                      : vote->column == column.name  ? "best"
                                                     : "other");
      csv += line_of(cells);
    }
  }
  return csv;
}

Status write_comparison_csv(const Comparison& comparison, const std::filesystem::path& file) {
  return write_file_atomically(file, to_csv(comparison));
}

}  // namespace luthier
