// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/dataset_index.h"

#include <algorithm>
#include <limits>

namespace luthier::detail {

namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

bool blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

/// Walks JSON text by brackets and quotes only; the rows' own parse finds what is wrong inside
/// them.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {
    if (text_.starts_with(kByteOrderMark)) at_ = kByteOrderMark.size();
  }

  void skip_blanks() {
    for (; at_ < text_.size() && blank(text_[at_]); ++at_) line_ += text_[at_] == '\n';
  }
  bool done() { return skip_blanks(), at_ >= text_.size(); }
  bool take(char wanted) {
    skip_blanks();
    if (at_ >= text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }
  bool at(char wanted) {
    skip_blanks();
    return at_ < text_.size() && text_[at_] == wanted;
  }

  /// One value of any kind: to its closing bracket or quote, or to the next comma or bracket. False
  /// when it does not end.
  bool value(RowSpan& span) {
    skip_blanks();
    span.begin = at_;
    span.line = line_;
    int depth = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"') {
        if (!string()) return false;
      } else if (c == '{' || c == '[') {
        ++depth;
        ++at_;
      } else if (c == '}' || c == ']') {
        if (depth == 0) break;
        --depth;
        ++at_;
      } else if (c == ',' && depth == 0) {
        break;
      } else {
        line_ += c == '\n';
        ++at_;
        continue;
      }
      if (depth == 0) break;
    }
    span.end = at_;
    return depth == 0 && span.end > span.begin;
  }

 private:
  bool string() {
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\\')
        ++at_;
      else if (text_[at_] == '"')
        return ++at_, true;
      else if (text_[at_] == '\n')
        ++line_;
    }
    return false;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::uint64_t line_ = 1;
};

Error broken(const std::string& where, const std::string& why) {
  return input_error("The file is not JSON: " + why + ".", where,
                     "A dataset is one JSON object a line, or one JSON list of objects.");
}

Result<RowSpans> elements(Scanner& scanner, const std::string& where, const Passed& passed) {
  RowSpans rows;
  if (scanner.take(']')) return rows;
  while (true) {
    RowSpan row;
    if (!scanner.value(row))
      return broken(where,
                    "the list's element " + std::to_string(rows.size() + 1) + " does not end");
    rows.push_back(row);
    if (passed) passed(row.end);
    if (scanner.take(']')) return rows;
    if (!scanner.take(','))
      return broken(where, "a comma or the end of the list is missing after element " +
                               std::to_string(rows.size()));
  }
}

}  // namespace

void RowSpans::push_back(const RowSpan& span) {
  constexpr std::uint64_t kLongest = std::numeric_limits<std::uint32_t>::max();
  constexpr std::int64_t kLines = std::numeric_limits<std::int32_t>::max();
  const auto more = static_cast<std::int64_t>(span.line) - static_cast<std::int64_t>(size());
  places_.push_back({span.begin,
                     static_cast<std::uint32_t>(std::min(span.end - span.begin, kLongest)),
                     static_cast<std::int32_t>(std::clamp(more, -kLines, kLines))});
}

RowSpan RowSpans::operator[](std::size_t row) const {
  const Place& place = places_[row];
  return {place.begin, place.begin + place.size,
          static_cast<std::uint64_t>(static_cast<std::int64_t>(row) + place.more_lines)};
}

RowSpans index_lines(std::string_view text, const Passed& passed) {
  RowSpans rows;
  std::size_t at = text.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  for (std::uint64_t line = 1; at < text.size(); ++line) {
    std::size_t end = std::min(text.find('\n', at), text.size());
    const std::size_t next = end + 1;
    while (at < end && blank(text[at])) ++at;
    while (end > at && blank(text[end - 1])) --end;
    if (end > at) rows.push_back({at, end, line});
    at = next;
    if (passed) passed(end);
  }
  return rows;
}

Result<RowSpans> index_json(std::string_view text, const std::string& where, const Passed& passed) {
  Scanner scanner(text);
  if (scanner.take('[')) {
    LUTHIER_TRY(auto rows, elements(scanner, where, passed));
    if (!scanner.done()) return broken(where, "something follows the list");
    return rows;
  }
  RowSpan whole;
  Scanner inside = scanner;
  if (!scanner.at('{') || !scanner.value(whole))
    return broken(where, "it is neither a list nor an object that ends");
  if (!scanner.done()) return broken(where, "something follows the object");
  inside.take('{');
  while (!inside.take('}')) {
    RowSpan key, value;
    // A value's scan stops at a comma, so a key is told from its colon by its closing quote.
    if (!inside.at('"') || !inside.value(key) || !inside.take(':'))
      return broken(where, "the object has no well-formed keys");
    if (text.substr(key.begin, key.end - key.begin) == "\"data\"" && inside.take('['))
      return elements(inside, where, passed);
    if (!inside.value(value)) return broken(where, "the object does not end");
    inside.take(',');
  }
  RowSpans rows;
  rows.push_back(whole);
  return rows;
}

Result<std::vector<RowSpans>> index_lists(std::string_view text,
                                          const std::vector<std::string>& keys,
                                          const std::string& where, const Passed& passed) {
  std::vector<RowSpans> lists(keys.size());
  Scanner scanner(text);
  if (!scanner.take('{')) return broken(where, "it is no object");
  while (!scanner.take('}')) {
    RowSpan key, value;
    if (!scanner.at('"') || !scanner.value(key) || !scanner.take(':'))
      return broken(where, "the object has no well-formed keys");
    const std::string_view quoted = text.substr(key.begin, key.end - key.begin);
    const auto wanted = std::find_if(keys.begin(), keys.end(), [quoted](const std::string& each) {
      return quoted.size() == each.size() + 2 && quoted.substr(1, each.size()) == each;
    });
    if (wanted != keys.end() && scanner.take('[')) {
      LUTHIER_TRY(lists[static_cast<std::size_t>(wanted - keys.begin())],
                  elements(scanner, where, passed));
    } else if (!scanner.value(value)) {
      return broken(where, "the object does not end");
    }
    scanner.take(',');
  }
  return lists;
}

bool looks_like_lines(std::string_view text, const std::filesystem::path& path) {
  const std::string ending = path.extension().string();
  if (ending == ".jsonl" || ending == ".ndjson") return true;
  Scanner scanner(text);
  RowSpan first;
  if (!scanner.at('{')) return false;
  if (!scanner.value(first)) return text.find("\n{") != std::string_view::npos;
  return !scanner.done();
}

}  // namespace luthier::detail
