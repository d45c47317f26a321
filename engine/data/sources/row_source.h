// SPDX-License-Identifier: GPL-3.0-or-later
// What a dataset's rows are read from: a file of JSON, a table, an archive, a folder. Each knows
// where a row stands and reads that row alone, from any thread, so that a dataset of any size is
// open without being held. Internal to the data room.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"
#include "engine/data/dataset_index.h"
#include "engine/io/guarded_mapping.h"
#include "engine/io/json.h"
#include "engine/io/system_error.h"

namespace luthier::detail {

class RowSource {
 public:
  virtual ~RowSource() = default;

  virtual std::size_t size() const = 0;
  /// The row; `where` is for the errors.
  virtual Result<Json> read(std::size_t row, const std::string& where) const = 0;
  /// False where the row's bytes alone say that no text of it holds `wanted` (row_bytes.h).
  virtual bool may_hold(std::size_t, const std::string& /*wanted*/) const { return true; }
  /// "train.jsonl: row 3 (line 5)"; rows count from 0 here and from 1 there.
  virtual std::string place(std::size_t row) const = 0;
  /// What relative picture paths of the row start at.
  virtual std::filesystem::path folder(std::size_t row) const = 0;
  /// SHA-256 that stands for all of it: what a resume compares.
  virtual const std::string& digest() const = 0;
};

using SourcePtr = std::shared_ptr<const RowSource>;

/// A file or a folder, by what it is.
Result<SourcePtr> open_source(const std::filesystem::path& path);

/// By their kinds. `open_source` says what is missing before.
Result<SourcePtr> open_text_source(const std::filesystem::path& file);     ///< JSON, JSON lines
Result<SourcePtr> open_coco_source(const std::filesystem::path& file);     ///< COCO's instances
Result<SourcePtr> open_table_source(const std::filesystem::path& file);    ///< CSV, TSV
Result<SourcePtr> open_archive_source(const std::filesystem::path& file);  ///< WebDataset's tar
Result<SourcePtr> open_arrow_source(const std::filesystem::path& file);    ///< Parquet, Arrow
Result<SourcePtr> open_folder_source(const std::filesystem::path& folder);
/// Pictures with their captions beside them, and those that a metadata file describes.
Result<SourcePtr> open_picture_folder(const std::filesystem::path& folder);
Result<SourcePtr> open_described_folder(const std::filesystem::path& metadata);

/// Several as one, in their order.
SourcePtr joined_sources(std::vector<SourcePtr> sources);

inline constexpr std::uint64_t kMaxRowBytes = 64u << 20;

/// A file of rows: opened once, mapped while it is indexed, read by position after that.
class RowFile {
 public:
  /// Any ordinary file.
  static Result<RowFile> open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  std::uint64_t size() const { return size_; }
  const std::string& digest() const { return digest_; }
  Result<GuardedMapping> map() const;
  /// A row's bytes.
  Result<std::string> read(std::uint64_t begin, std::uint64_t end) const;

 private:
  std::filesystem::path path_;
  Descriptor file_;
  std::uint64_t size_ = 0;
  std::string digest_;
};

/// Opens a source that indexes its one file once and reads row by row from it afterwards: a Source
/// is made of a RowFile, and has file() and index(text, passed).
template <class Source>
Result<SourcePtr> open_indexed(const std::filesystem::path& path) {
  LUTHIER_TRY(RowFile file, RowFile::open(path));
  auto source = std::make_shared<Source>(std::move(file));
  LUTHIER_TRY(const GuardedMapping mapping, source->file().map());
  const Status indexed =
      source->index(mapping.text(), [&mapping](std::size_t end) { mapping.let_go(end); });
  LUTHIER_CHECK(mapping.check());  // of a file that was cut short nothing else is worth saying
  LUTHIER_CHECK(indexed);
  return SourcePtr(std::move(source));
}

/// Whether a text is an object with lists of images, annotations and categories.
bool looks_like_coco(std::string_view text);

/// Refuses a text in another encoding than UTF-8 whole, by its name.
Status check_encoding(std::string_view text, const std::string& where);

/// A value that a table or a file writes as text, as the row's key wants it: JSON where the key
/// holds a list or messages, true and false where it is a judgement; else the text itself.
Json typed_text(const std::string& key, std::string text);

}  // namespace luthier::detail
