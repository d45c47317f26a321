// SPDX-License-Identifier: GPL-3.0-or-later
// Parquet files, and Arrow files and streams. What the datasets library notes of the columns is
// followed: a class is its name and no number.
#include <map>

#include "engine/data/sources/arrow_library.h"
#include "engine/data/sources/row_source.h"

namespace luthier::detail {

namespace {

class ArrowSource : public RowSource {
 public:
  ArrowSource(RowFile file, const LuthierArrowEntries& arrow)
      : file_(std::move(file)), arrow_(arrow) {}
  ArrowSource(const ArrowSource&) = delete;
  ArrowSource& operator=(const ArrowSource&) = delete;
  ~ArrowSource() override {
    if (table_) arrow_.close(table_);
  }

  Status open() {
    char* fault = nullptr;
    table_ = arrow_.open(file_.path().c_str(), &fault);
    if (!table_)
      return input_error("The file cannot be read as Parquet or Arrow: " + taken(fault) + ".",
                         file_.path().string(), "Fetch or write it again.");
    rows_ = arrow_.rows(table_);
    if (rows_ == 0)
      return input_error("The dataset has no rows.", file_.path().string(),
                         "Give a file with at least one row.");
    read_classes();
    return {};
  }

  std::size_t size() const override { return rows_; }
  std::string place(std::size_t row) const override {
    return file_.path().string() + ": row " + std::to_string(row + 1);
  }
  std::filesystem::path folder(std::size_t) const override { return file_.path().parent_path(); }
  const std::string& digest() const override { return file_.digest(); }

  Result<Json> read(std::size_t row, const std::string& where) const override {
    char* fault = nullptr;
    std::uint64_t size = 0;
    char* const text = arrow_.row(table_, row, &size, &fault);
    if (!text)
      return input_error("The row cannot be read: " + taken(fault) + ".", where,
                         "Fetch or write the file again.");
    auto json =
        size > kMaxRowBytes
            ? Result<Json>(input_error(
                  "The row is larger than " + std::to_string(kMaxRowBytes >> 20) + " MiB.", where))
            : parse_json({text, size}, where);
    arrow_.free_text(text);
    if (!json) return json;
    for (const auto& [column, names] : classes_)
      if (const auto value = json->find(column);
          value != json->end() && value->is_number_integer()) {
        const auto at = value->get<std::int64_t>();
        if (at >= 0 && at < static_cast<std::int64_t>(names.size()))
          *value = names[static_cast<std::size_t>(at)];
      }
    return json;
  }

 private:
  std::string taken(char* text) const {
    const std::string words = text ? text : "no memory";
    if (text) arrow_.free_text(text);
    const std::size_t end = words.find_last_not_of(" .\n");
    return words.substr(0, end == std::string::npos ? 0 : end + 1);
  }

  void read_classes() {
    char* const note = arrow_.note(table_, "huggingface");
    if (!note) return;
    const auto json = parse_json(note, "huggingface");
    arrow_.free_text(note);
    if (!json || !json->is_object() || !json->contains("info")) return;
    const Json& info = (*json)["info"];
    if (!info.is_object() || !info.contains("features") || !info["features"].is_object()) return;
    for (const auto& [column, feature] : info["features"].items()) {
      if (!feature.is_object() || feature.value("_type", Json()) != "ClassLabel") continue;
      const auto names = feature.find("names");
      if (names == feature.end() || !names->is_array()) continue;
      for (const Json& name : *names)
        classes_[column].push_back(name.is_string() ? name.get<std::string>() : name.dump());
    }
  }

  RowFile file_;
  const LuthierArrowEntries& arrow_;
  LuthierArrowTable* table_ = nullptr;
  std::size_t rows_ = 0;
  std::map<std::string, std::vector<std::string>> classes_;
};

}  // namespace

Result<SourcePtr> open_arrow_source(const std::filesystem::path& path) {
  LUTHIER_TRY(RowFile file, RowFile::open(path));
  LUTHIER_TRY(const LuthierArrowEntries* arrow, arrow_library());
  auto source = std::make_shared<ArrowSource>(std::move(file), *arrow);
  LUTHIER_CHECK(source->open());
  return SourcePtr(std::move(source));
}

}  // namespace luthier::detail
