// SPDX-License-Identifier: GPL-3.0-or-later
// Files that are whole or absent. A file is written under a temporary name, synced, and renamed
// over its place; a folder is filled under a temporary name, sealed with a manifest of sizes and
// SHA-256 written last, synced, and renamed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "engine/base/result.h"

namespace luthier {

/// Whole contents of a file of at most `max_bytes`.
Result<std::string> read_file(const std::filesystem::path& path,
                              std::uint64_t max_bytes = 1ull << 32);

/// Replaces `path` atomically: temporary beside it, fsync, rename, fsync of the folder. Machine
/// error on a full disk.
Status write_file_atomically(const std::filesystem::path& path, std::string_view contents);

/// Appends one line and flushes it to the file (no fsync): for metrics.jsonl and events.jsonl.
Status append_line(const std::filesystem::path& path, std::string_view line);

/// Lower-case hexadecimal SHA-256.
Result<std::string> sha256_file(const std::filesystem::path& path);
std::string sha256_bytes(std::span<const std::byte> bytes);

/// What a folder writer may put its folder in the place of. An empty folder always gives way.
enum class FolderReplace {
  Broken,    ///< a folder with a manifest that it does not fit; a folder of somebody else's (no
             ///< manifest) or a whole one is refused
  Unsealed,  ///< any folder that is not whole: for places where only we write (a run's checkpoints)
  Whole,     ///< the same, and a whole one too, which stays until the new one stands
};

/// A folder being written beside its place. `commit` writes `manifest.json` ({"files": {name:
/// {size, sha256}}}) last, syncs every file and the folder, renames it into place (see
/// FolderReplace) and syncs the parent. Dropped without commit, it removes what it wrote.
class FolderWriter {
 public:
  static Result<FolderWriter> begin(const std::filesystem::path& final_path,
                                    FolderReplace replace = FolderReplace::Broken);
  FolderWriter(FolderWriter&&) noexcept;
  FolderWriter& operator=(FolderWriter&&) noexcept;
  ~FolderWriter();

  /// Where to write the files.
  const std::filesystem::path& path() const { return temporary_; }
  Status commit();

 private:
  FolderWriter() = default;
  std::filesystem::path temporary_;
  std::filesystem::path final_;
  FolderReplace replace_ = FolderReplace::Broken;
};

/// The manifest.json of a folder, and that each file it names is there with its size. Cheap: no
/// file is read.
Status check_folder_sizes(const std::filesystem::path& folder);

/// True when `folder/manifest.json` exists and every file it names has its size and SHA-256 and no
/// named file is missing. The Error says what does not fit.
Status verify_folder(const std::filesystem::path& folder);

/// Resolves `relative` (a shard's name, say) under `root`: refuses absolute names and `..`. Links
/// inside are followed only while they stay in `root` or, for a Hugging Face cache snapshot, in the
/// hub cache that it belongs to.
Result<std::filesystem::path> resolve_inside(const std::filesystem::path& root,
                                             const std::string& relative);

}  // namespace luthier
