// SPDX-License-Identifier: GPL-3.0-or-later
// safetensors: an eight-byte header length, a JSON header, then the tensors' bytes. A header is
// believed only after every promise of the format was checked (sorted contiguous offsets from 0, no
// holes, no overlaps, checked products, the file ends with the last tensor). Rank 0 and size 0 are
// legal. Bytes are read from the open file and never mapped: a mapped file that another program
// cuts short takes the whole process down (SIGBUS), a read says so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/result.h"

namespace luthier {

enum class DType {
  BOOL,
  U8,
  I8,
  I16,
  U16,
  F16,
  BF16,
  I32,
  U32,
  F32,
  F64,
  I64,
  U64,
  F8_E4M3,
  F8_E5M2
};

/// "F32" as the format writes it.
std::string dtype_name(DType dtype);
std::size_t dtype_size(DType dtype);

struct TensorInfo {
  DType dtype = DType::F32;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0, end = 0;  ///< byte range inside the data section

  std::int64_t elements() const;
};

/// Parses and validates a header against the size of the data section that follows it. (The fuzz
/// target.) Returned in the order of the offsets.
struct SafetensorsHeader {
  std::vector<std::pair<std::string, TensorInfo>> tensors;
  std::map<std::string, std::string> metadata;
};
Result<SafetensorsHeader> parse_safetensors_header(std::string_view header,
                                                   std::uint64_t data_bytes,
                                                   const std::string& where);

struct TensorView;

/// One open file. Copies share it.
class SafetensorsFile {
 public:
  static Result<SafetensorsFile> open(const std::filesystem::path& path);

  const SafetensorsHeader& header() const;
  std::optional<TensorView> find(const std::string& name) const;
  const std::filesystem::path& path() const;
  std::uint64_t size() const;  ///< of the whole file when it was opened, in bytes

  /// Bytes of the data section from `offset` on, from any thread. An Input error where the file has
  /// become shorter.
  Status read(std::uint64_t offset, std::span<std::byte> into) const;
  /// An Input error where the file is not what it was when it was opened (its size, or the time of
  /// its last change).
  Status check_unchanged() const;

 private:
  struct Opened;
  std::shared_ptr<const Opened> opened_;
};

/// A tensor in a file, which it keeps open.
struct TensorView {
  TensorInfo info;
  SafetensorsFile file;

  std::uint64_t size() const { return info.end - info.begin; }  ///< in bytes
  Status read(std::uint64_t offset, std::span<std::byte> into) const {
    return file.read(info.begin + offset, into);
  }
  Result<std::vector<std::byte>> bytes() const;  ///< all of them
};
/// Whether both hold the same type, shape and bytes.
Result<bool> same_tensor(const TensorView& left, const TensorView& right);

/// A checkpoint folder's weights: `model.safetensors`, or the shards that
/// `model.safetensors.index.json` names. Refuses .bin/.pt/.pkl with the sentence that says what to
/// do instead.
class CheckpointFiles {
 public:
  static Result<CheckpointFiles> open(const std::filesystem::path& folder);

  const std::map<std::string, TensorInfo>& tensors() const { return tensors_; }
  std::optional<TensorView> find(const std::string& name) const;
  const std::vector<SafetensorsFile>& files() const { return files_; }
  std::uint64_t total_bytes() const;
  Status check_unchanged() const;  ///< of every file
  /// All tensors but those whose names begin so are known by names that do.
  void put_before(const std::string& beginning);

 private:
  std::string before_;  ///< what files' own names may lack
  std::vector<SafetensorsFile> files_;
  std::map<std::string, TensorInfo> tensors_;
  std::map<std::string, std::size_t> file_of_;
};

/// What a writer takes: name, dtype, shape and the bytes (row-major, little-endian), which it does
/// not copy.
struct TensorToWrite {
  std::string name;
  DType dtype = DType::F32;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;
};

/// Writes one file (not atomically by itself: write into a FolderWriter, or beside and rename), as
/// the format's reference implementation lays it out: tensors by descending dtype size then name,
/// header padded with spaces to 8 bytes.
Status write_safetensors(const std::filesystem::path& path,
                         const std::vector<TensorToWrite>& tensors,
                         const std::map<std::string, std::string>& metadata = {{"format", "pt"}});

/// A tensor whose bytes a writer asks for when their turn comes.
struct TensorOutline {
  std::string name;
  DType dtype = DType::F32;
  std::vector<std::int64_t> shape;
};
/// Takes the next bytes of the tensor that was asked for; they may be let go afterwards.
using TakeBytes = std::function<Status(std::span<const std::byte>)>;
/// Gives `take` the bytes of the outline at `index`, all of them and in order, in any pieces.
using GiveBytes = std::function<Status(std::size_t index, const TakeBytes& take)>;

/// The same file from tensors that need not stand in memory at once: each is asked for once, in the
/// file's order. A Machine error where one gives more or fewer bytes than its shape has.
Status write_safetensors(const std::filesystem::path& path,
                         const std::vector<TensorOutline>& outlines, const GiveBytes& give,
                         const std::map<std::string, std::string>& metadata = {{"format", "pt"}});

}  // namespace luthier
