// SPDX-License-Identifier: GPL-3.0-or-later
// Tables as text: the first record names the columns, every other one is a row.
#include "engine/data/sources/csv_text.h"
#include "engine/data/sources/row_source.h"
#include "engine/io/file_kind.h"

namespace luthier::detail {

namespace {

class CsvSource : public RowSource {
 public:
  explicit CsvSource(RowFile file) : file_(std::move(file)) {}

  Status index(std::string_view text, const Passed& passed) {
    const std::string where = file_.path().string();
    if (const FileKind kind = file_kind(text.substr(0, 512)); kind.known())
      return input_error("This is " + kind.name + ", and its name says a table (CSV).", where,
                         "Give it the ending of what it is.");
    LUTHIER_CHECK(check_encoding(text, where));
    separator_ = separator_of(text);
    LUTHIER_TRY(rows_, index_csv(text, separator_, where, passed));
    if (rows_.empty())
      return input_error("The dataset has no rows.", where, "Give a file with at least one row.");
    const RowSpan head = rows_[0];
    LUTHIER_TRY(names_,
                csv_names(text.substr(head.begin, head.end - head.begin), separator_, where));
    if (size() == 0)
      return input_error("The table has one line, which names its columns, and no rows.", where,
                         "Give a file with at least one row.");
    return {};
  }

  const RowFile& file() const { return file_; }
  std::size_t size() const override { return rows_.size() - 1; }
  std::string place(std::size_t row) const override {
    return file_.path().string() + ": row " + std::to_string(row + 1) + " (line " +
           std::to_string(rows_[row + 1].line) + ")";
  }
  std::filesystem::path folder(std::size_t) const override { return file_.path().parent_path(); }
  const std::string& digest() const override { return file_.digest(); }

  Result<Json> read(std::size_t row, const std::string& where) const override {
    const RowSpan span = rows_[row + 1];
    auto text = file_.read(span.begin, span.end);
    if (!text) {
      Error error = text.error();
      error.where = where;
      return error;
    }
    if (const auto fault = text_fault(*text, "a row of a table", where)) return *fault;
    std::vector<std::string> fields = csv_fields(*text, separator_);
    if (fields.size() != names_.size())
      return input_error("The row has " + std::to_string(fields.size()) + " fields, the table " +
                             std::to_string(names_.size()) + " columns.",
                         where, "A field that holds a separator or a line end stands in quotes.");
    Json json = Json::object();
    for (std::size_t i = 0; i < fields.size(); ++i)
      json[names_[i]] =
          fields[i].empty() ? Json(nullptr) : typed_text(names_[i], std::move(fields[i]));
    return json;
  }

 private:
  RowFile file_;
  char separator_ = ',';
  std::vector<std::string> names_;
  RowSpans rows_;  // the head first
};

}  // namespace

Result<SourcePtr> open_table_source(const std::filesystem::path& path) {
  return open_indexed<CsvSource>(path);
}

}  // namespace luthier::detail
