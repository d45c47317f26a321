// SPDX-License-Identifier: GPL-3.0-or-later
// JSON lines, and JSON holding a list: indexed in one pass over the bytes.
#include "engine/data/dataset_index.h"
#include "engine/data/row_bytes.h"
#include "engine/data/sources/row_source.h"
#include "engine/io/file_kind.h"

namespace luthier::detail {

namespace {

constexpr const char* kTextHint =
    "A dataset is one JSON object a line, or one JSON list of objects.";

std::string how_to_convert(FileFamily family) {
  switch (family) {
    case FileFamily::Table:
      return "Write its rows as JSON lines, one object a line, with pictures as paths or base64.";
    case FileFamily::Archive: return "Unpack it and give the .jsonl or .json file in it.";
    case FileFamily::Pointer: return "Fetch it first: git lfs pull";
    case FileFamily::Picture:
    case FileFamily::Video:
    case FileFamily::Audio:
      return "A dataset is a file of rows (JSON lines or JSON) that names its pictures.";
    default: return kTextHint;
  }
}

/// The first line has commas or tabs and is no JSON.
bool looks_like_table(std::string_view text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  return line.find(',') != std::string_view::npos || line.find('\t') != std::string_view::npos;
}

/// What the file is, where it is known not to be JSON.
Error not_json(std::string_view text, const std::filesystem::path& path, const Error& otherwise) {
  const FileKind kind = file_kind_by_name(path);
  if (kind.known())
    return input_error("This is " + kind.name + "; JSON lines and JSON are read.", path.string(),
                       how_to_convert(kind.family));
  if (text.find('{') == std::string_view::npos && looks_like_table(text))
    return input_error("This looks like a table (CSV), and its name does not end in .csv.",
                       path.string(), "Give it that ending.");
  return otherwise;
}

class TextSource : public RowSource {
 public:
  explicit TextSource(RowFile file) : file_(std::move(file)) {}

  Status index(std::string_view text, const Passed& passed) {
    const std::string where = file_.path().string();
    if (const FileKind kind = file_kind(text.substr(0, 512)); kind.known())
      return input_error("This is " + kind.name + "; JSON lines and JSON are read.", where,
                         how_to_convert(kind.family));
    LUTHIER_CHECK(check_encoding(text, where));
    if (looks_like_lines(text, file_.path())) {
      rows_ = index_lines(text, passed);
      std::size_t first = 0;
      while (first < rows_.size() && text[rows_[first].begin] != '{') ++first;
      if (!rows_.empty() && first == rows_.size())
        return not_json(text, file_.path(),
                        input_error("The file is not JSON lines: no line of it is an object.",
                                    where, kTextHint));
    } else {
      auto found = index_json(text, where, passed);
      if (!found) return not_json(text, file_.path(), found.error());
      rows_ = found.take();
    }
    if (rows_.empty())
      return input_error("The dataset has no rows.", where, "Give a file with at least one row.");
    return {};
  }

  const RowFile& file() const { return file_; }
  std::size_t size() const override { return rows_.size(); }
  std::string place(std::size_t row) const override {
    std::string text = file_.path().string() + ": row " + std::to_string(row + 1);
    const std::uint64_t line = rows_[row].line;
    if (line != row + 1) text += " (line " + std::to_string(line) + ")";
    return text;
  }
  std::filesystem::path folder(std::size_t) const override { return file_.path().parent_path(); }
  const std::string& digest() const override { return file_.digest(); }

  Result<Json> read(std::size_t row, const std::string& where) const override {
    const RowSpan span = rows_[row];
    auto text = file_.read(span.begin, span.end);
    if (!text) {
      Error error = text.error();
      error.where = where;
      return error;
    }
    auto json = parse_json(*text, where);
    if (!json)
      if (const auto fault = text_fault(*text, "a row of JSON", where)) return *fault;
    return json;
  }

  bool may_hold(std::size_t row, const std::string& wanted) const override {
    const RowSpan span = rows_[row];
    const auto text = file_.read(span.begin, span.end);
    return !text || detail::may_hold(*text, wanted);
  }

 private:
  RowFile file_;
  RowSpans rows_;
};

}  // namespace

Result<SourcePtr> open_text_source(const std::filesystem::path& path) {
  return open_indexed<TextSource>(path);
}

}  // namespace luthier::detail
