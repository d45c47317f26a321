// SPDX-License-Identifier: GPL-3.0-or-later
// WebDataset: an archive whose files of one name but different endings are a row. A .json file's
// keys are the row's, pictures are its `image` or `images`, texts stand under their endings.
#include <algorithm>

#include "engine/base/base64.h"
#include "engine/base/text.h"
#include "engine/data/sources/row_source.h"
#include "engine/data/sources/tar_index.h"
#include "engine/io/file_kind.h"

namespace luthier::detail {

namespace {

bool is_text_ending(const std::string& ending) {
  for (const char* known : {"txt", "text", "caption", "cls", "transcript", "md"})
    if (ending == known) return true;
  return false;
}

class TarSource : public RowSource {
 public:
  explicit TarSource(RowFile file) : file_(std::move(file)) {}

  Status index(std::string_view archive, const Passed& passed) {
    LUTHIER_TRY(samples_, index_tar(archive, file_.path().string(), passed));
    if (samples_.empty())
      return input_error("The archive holds no samples.", file_.path().string(),
                         "A WebDataset archive holds files such as 0001.jpg beside 0001.json.");
    return {};
  }

  const RowFile& file() const { return file_; }
  std::size_t size() const override { return samples_.size(); }
  std::string place(std::size_t row) const override {
    return file_.path().string() + ": row " + std::to_string(row + 1);
  }
  std::filesystem::path folder(std::size_t) const override { return file_.path().parent_path(); }
  const std::string& digest() const override { return file_.digest(); }

  Result<Json> read(std::size_t row, const std::string& where) const override {
    const TarSample sample = samples_[row];
    auto bytes = file_.read(sample.begin, sample.end);
    if (!bytes) {
      Error error = bytes.error();
      error.where = where;
      return error;
    }
    Json json = Json::object();
    std::vector<Json> pictures;
    std::uint64_t at = 0;
    while (at < bytes->size()) {
      LUTHIER_TRY(const TarMember member, next_member(*bytes, at, where));
      if (member.name.empty()) break;
      at = member.next;
      const SampleName name = sample_name(member.name);
      if (name.ending.empty()) continue;
      json.emplace("__key__", std::string(name.key));
      const std::string_view content =
          std::string_view(*bytes).substr(member.begin, member.end - member.begin);
      LUTHIER_CHECK(take(json, pictures, std::string(name.ending), member.name, content, where));
    }
    if (pictures.empty()) return json;
    // What the sample's JSON says of a picture is where it lay before it came into the archive.
    json.erase("image");
    json.erase("images");
    if (pictures.size() == 1)
      json["image"] = std::move(pictures.front());
    else
      json["images"] = Json(std::move(pictures));
    return json;
  }

 private:
  static Status take(Json& row, std::vector<Json>& pictures, std::string ending,
                     const std::string& name, std::string_view content, const std::string& where) {
    ending = ascii_lower(ending);
    const std::string last = ending.substr(ending.rfind('.') + 1);
    if (last == "json") {
      LUTHIER_TRY(Json object, parse_json(content, where + ": " + name));
      if (!object.is_object()) {
        row[ending] = std::move(object);
        return {};
      }
      for (auto& [key, value] : object.items())
        if (!row.contains(key)) row[key] = std::move(value);
    } else if (is_text_ending(last)) {
      if (const auto fault = text_fault(content, "text", where + ": " + name)) return *fault;
      row[ending] = trimmed(std::string(content));
    } else if (file_kind_by_name("a." + last).family == FileFamily::Picture) {
      pictures.push_back(
          {{"bytes", encode_base64(std::as_bytes(std::span(content)))}, {"path", name}});
    }
    return {};  // arrays and pickles are not read
  }

  RowFile file_;
  std::vector<TarSample> samples_;
};

}  // namespace

Result<SourcePtr> open_archive_source(const std::filesystem::path& path) {
  return open_indexed<TarSource>(path);
}

}  // namespace luthier::detail
