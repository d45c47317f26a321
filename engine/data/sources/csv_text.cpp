// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/sources/csv_text.h"

#include <algorithm>
#include <set>

#include "engine/base/text.h"
#include "engine/base/utf8.h"

namespace luthier::detail {

namespace {

constexpr std::string_view kCsvMark = "\xef\xbb\xbf";
constexpr std::size_t kMostColumns = 10'000;

}  // namespace

char separator_of(std::string_view text) {
  if (text.starts_with(kCsvMark)) text.remove_prefix(kCsvMark.size());
  constexpr std::string_view kSeparators = ",;\t|";
  std::size_t counts[4] = {};
  bool quoted = false, start = true;  // a quote within a field is a letter, as of 5" pipes
  for (const char c : text.substr(0, 1u << 20)) {
    if (c == '"' && (quoted || start)) {
      quoted = !quoted;
      start = true;  // which may double it
      continue;
    }
    if (quoted) continue;
    if (c == '\n') break;
    const std::size_t at = kSeparators.find(c);
    start = at != std::string_view::npos;
    if (at != std::string_view::npos) ++counts[at];
  }
  return kSeparators[static_cast<std::size_t>(std::max_element(counts, counts + 4) - counts)];
}

Result<RowSpans> index_csv(std::string_view text, char separator, const std::string& where,
                           const Passed& passed) {
  RowSpans rows;
  std::size_t at = text.starts_with(kCsvMark) ? kCsvMark.size() : 0;
  std::uint64_t line = 1;
  while (at < text.size()) {
    RowSpan row{at, at, line};
    bool quoted = false, start = true, blank = true;
    std::uint64_t opened = 0;
    for (; at < text.size(); ++at) {  // as csv_fields goes
      const char c = text[at];
      if (c != ' ' && c != '\t' && c != '\r' && c != '\n') blank = false;
      if (c == '\n') {
        ++line;
        if (!quoted) break;
      } else if (quoted && c == '"') {
        if (at + 1 < text.size() && text[at + 1] == '"')
          ++at;
        else
          quoted = false;
      } else if (!quoted && c == '"' && start) {
        quoted = true;
        opened = line;
      }
      start = !quoted && c == separator;
    }
    if (quoted)
      return input_error(
          "A quote that opens in line " + std::to_string(opened) + " of the table is never closed.",
          where, "Close it, or double it where it belongs to the text.");
    row.end = at;
    if (row.end > row.begin && text[row.end - 1] == '\r') --row.end;
    if (!blank) rows.push_back(row);
    ++at;
    if (passed) passed(row.end);
  }
  return rows;
}

std::vector<std::string> csv_fields(std::string_view record, char separator) {
  std::vector<std::string> fields(1);
  bool quoted = false, start = true;
  for (std::size_t at = 0; at < record.size(); ++at) {
    const char c = record[at];
    std::string& field = fields.back();
    if (quoted) {
      if (c != '"') {
        field += c;
      } else if (at + 1 < record.size() && record[at + 1] == '"') {
        field += c;
        ++at;
      } else {
        quoted = false;
      }
    } else if (c == separator) {
      fields.emplace_back();
      start = true;
      continue;
    } else if (c == '"' && start) {
      quoted = true;
    } else {
      field += c;
    }
    start = false;
  }
  return fields;
}

Result<std::vector<std::string>> csv_names(std::string_view record, char separator,
                                           const std::string& where) {
  std::vector<std::string> names = csv_fields(record, separator);
  if (names.size() > kMostColumns)
    return input_error("The table has " + std::to_string(names.size()) + " columns; at most " +
                           std::to_string(kMostColumns) + " are read.",
                       where);
  std::set<std::string> seen;
  for (std::size_t i = 0; i < names.size(); ++i) {
    names[i] = trimmed(names[i]);
    if (names[i].empty()) names[i] = "column " + std::to_string(i + 1);
    if (!seen.insert(names[i]).second)
      return input_error("Two columns of the table are called \"" + shortened(names[i], 60) + "\".",
                         where, "Give each column a name of its own in the first line.");
  }
  return names;
}

}  // namespace luthier::detail
