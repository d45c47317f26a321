// SPDX-License-Identifier: GPL-3.0-or-later
// A folder of pictures: each is a row, its caption the text of a .txt or .caption file beside it,
// or the keys of a .json file; pictures in folders of their own have those folders' names as
// `label`. And pictures that a metadata file describes, as the datasets library's imagefolder
// reads them.
#include <algorithm>

#include "engine/base/text.h"
#include "engine/base/utf8.h"
#include "engine/data/sources/pictures_below.h"
#include "engine/data/sources/row_source.h"
#include "engine/io/file_kind.h"
#include "engine/io/files.h"

namespace luthier::detail {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMostFolderPictures = 5'000'000;
constexpr std::uint64_t kLongestCaption = 1u << 20;

class PictureFolder : public RowSource {
 public:
  explicit PictureFolder(fs::path folder) : folder_(std::move(folder)) {}

  Status index() {
    LUTHIER_TRY(pictures_, pictures_below(folder_, kMostFolderPictures));
    if (pictures_.empty())
      return input_error("The folder holds no pictures.", folder_.string(),
                         "Give a folder of pictures, or a file of rows.");
    return seal();
  }

  std::size_t size() const override { return pictures_.size(); }
  std::string place(std::size_t row) const override {
    return (folder_ / pictures_[row]).string() + ": row " + std::to_string(row + 1);
  }
  fs::path folder(std::size_t) const override { return folder_; }
  const std::string& digest() const override { return digest_; }

  Result<Json> read(std::size_t row, const std::string& where) const override {
    const fs::path name = pictures_[row];
    Json json = {{"image", pictures_[row]}};
    const fs::path stem = (folder_ / name).replace_extension();
    std::error_code ignored;  // a name may be as long as names can be, and one beside it longer
    for (const char* ending : {".txt", ".caption"}) {
      const fs::path beside = stem.string() + ending;
      if (!fs::exists(beside, ignored)) continue;
      LUTHIER_TRY(const std::string text, read_file(beside, kLongestCaption));
      if (const auto fault = text_fault(text, "a caption", where + ": " + ending)) return *fault;
      json["caption"] = trimmed(text);
      break;
    }
    if (const fs::path beside = stem.string() + ".json"; fs::exists(beside, ignored)) {
      LUTHIER_TRY(const Json facts, read_json_file(beside));
      if (!facts.is_object())
        return input_error("What is beside the picture must be a JSON object.", beside.string());
      for (const auto& [key, value] : facts.items())
        if (key != "image") json[key] = value;
    }
    if (name.has_parent_path()) json.emplace("label", name.parent_path().generic_string());
    return json;
  }

 private:
  /// Names, sizes and times: pictures of rows are not hashed anywhere.
  Status seal() {
    std::string facts;
    for (const std::string& name : pictures_) {
      std::error_code ignored;
      const fs::path path = folder_ / name;
      facts += name + '\n' + std::to_string(fs::file_size(path, ignored)) + '\n';
      for (const char* ending : {".txt", ".caption", ".json"}) {
        fs::path beside = path;
        beside.replace_extension(ending);
        const auto size = fs::file_size(beside, ignored);
        if (ignored) continue;
        const auto time = fs::last_write_time(beside, ignored).time_since_epoch().count();
        facts += std::to_string(size) + ' ' + std::to_string(time) + '\n';
      }
    }
    digest_ = sha256_bytes(std::as_bytes(std::span(facts)));
    return {};
  }

  fs::path folder_;
  std::vector<std::string> pictures_;
  std::string digest_;
};

/// Rows of a metadata file, `file_name` naming the picture of each.
class DescribedFolder : public RowSource {
 public:
  explicit DescribedFolder(SourcePtr rows) : rows_(std::move(rows)) {}
  std::size_t size() const override { return rows_->size(); }
  std::string place(std::size_t row) const override { return rows_->place(row); }
  fs::path folder(std::size_t row) const override { return rows_->folder(row); }
  const std::string& digest() const override { return rows_->digest(); }

  Result<Json> read(std::size_t row, const std::string& where) const override {
    LUTHIER_TRY(Json json, rows_->read(row, where));
    if (!json.is_object()) return json;
    const char* const several = "file_names";
    const bool list = !json.contains("file_name") && json.contains(several);
    const char* const key = list ? several : "file_name";
    if (!json.contains(key) || json.contains("image") || json.contains("images")) return json;
    const Json names = json[key];
    for (const Json& name : names.is_array() ? names : Json::array({names})) {
      const fs::path path = name.is_string() ? name.get<std::string>() : std::string();
      const bool out =
          path.empty() || path.is_absolute() ||
          std::any_of(path.begin(), path.end(), [](const fs::path& part) { return part == ".."; });
      if (out)
        return input_error("The row's file_name leads to no file of the folder.", where,
                           "It is the picture's name, as it lies beside the metadata file.");
    }
    json.erase(key);
    json[list ? "images" : "image"] = names;
    return json;
  }

 private:
  SourcePtr rows_;
};

}  // namespace

Result<SourcePtr> open_picture_folder(const fs::path& folder) {
  auto source = std::make_shared<PictureFolder>(folder);
  LUTHIER_CHECK(source->index());
  return SourcePtr(std::move(source));
}

Result<SourcePtr> open_described_folder(const fs::path& metadata) {
  LUTHIER_TRY(SourcePtr rows, open_source(metadata));
  return SourcePtr(std::make_shared<DescribedFolder>(std::move(rows)));
}

}  // namespace luthier::detail
