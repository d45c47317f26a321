// SPDX-License-Identifier: GPL-3.0-or-later
// Which reader a path is for: by what it is and how it is called.
#include <fcntl.h>

#include <algorithm>
#include <fstream>

#include "engine/base/text.h"
#include "engine/data/sources/row_source.h"
#include "engine/io/file_kind.h"
#include "engine/io/files.h"

namespace luthier::detail {

namespace fs = std::filesystem;

namespace {

class JoinedSource : public RowSource {
 public:
  explicit JoinedSource(std::vector<SourcePtr> sources) : sources_(std::move(sources)) {
    std::string digests;
    for (const SourcePtr& source : sources_) {
      first_.push_back(size_);
      size_ += source->size();
      digests += source->digest();
    }
    digest_ = sha256_bytes(std::as_bytes(std::span(digests)));
  }
  std::size_t size() const override { return size_; }
  Result<Json> read(std::size_t row, const std::string& where) const override {
    const std::size_t at = of(row);
    return sources_[at]->read(row - first_[at], where);
  }
  bool may_hold(std::size_t row, const std::string& wanted) const override {
    const std::size_t at = of(row);
    return sources_[at]->may_hold(row - first_[at], wanted);
  }
  std::string place(std::size_t row) const override {
    const std::size_t at = of(row);
    return sources_[at]->place(row - first_[at]);
  }
  fs::path folder(std::size_t row) const override {
    const std::size_t at = of(row);
    return sources_[at]->folder(row - first_[at]);
  }
  const std::string& digest() const override { return digest_; }

 private:
  std::size_t of(std::size_t row) const {
    return static_cast<std::size_t>(std::upper_bound(first_.begin(), first_.end(), row) -
                                    first_.begin()) -
           1;
  }
  std::vector<SourcePtr> sources_;
  std::vector<std::size_t> first_;
  std::size_t size_ = 0;
  std::string digest_;
};

std::string first_bytes(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::string start(512, '\0');
  in.read(start.data(), static_cast<std::streamsize>(start.size()));
  start.resize(static_cast<std::size_t>(in.gcount()));
  return start;
}

/// Told before it is opened for good, which reads all of it once more.
bool holds_coco(const fs::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::error_code problem;
  const std::uintmax_t size = fs::file_size(path, problem);
  if (file.get() < 0 || problem) return false;
  const auto mapping = GuardedMapping::open(file.get(), size, path);
  if (!mapping) return false;
  const bool found = looks_like_coco(mapping->text());
  return mapping->check() && found;
}

}  // namespace

SourcePtr joined_sources(std::vector<SourcePtr> sources) {
  if (sources.size() == 1) return sources.front();
  return std::make_shared<JoinedSource>(std::move(sources));
}

Result<SourcePtr> open_source(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return open_folder_source(path);
  if (!fs::is_regular_file(path, ignored)) return open_text_source(path);  // which says why not
  const std::string ending = ascii_lower(path.extension().string());
  const FileKind kind = file_kind(first_bytes(path));
  if (kind.name == "a Parquet file" || kind.name == "an Arrow file" ||
      kind.name == "an Arrow stream")
    return open_arrow_source(path);
  if (kind.name == "a tar archive") return open_archive_source(path);
  if (kind.known()) return open_text_source(path);
  if (ending == ".parquet" || ending == ".arrow" || ending == ".feather")
    return open_arrow_source(path);
  if (ending == ".tar") return open_archive_source(path);
  if (ending == ".json" && holds_coco(path)) return open_coco_source(path);
  if (ending == ".csv" || ending == ".tsv") return open_table_source(path);
  return open_text_source(path);
}

}  // namespace luthier::detail
