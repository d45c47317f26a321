// SPDX-License-Identifier: GPL-3.0-or-later
// safetensors: an eight-byte header length, a JSON header, then the tensors' bytes. Files are memory-mapped; a header is
// believed only after every promise of the format was checked (sorted contiguous offsets from 0, no holes, no overlaps,
// checked products, the file ends with the last tensor). Rank 0 and size 0 are legal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/result.h"

namespace luthier {

enum class DType { BOOL, U8, I8, I16, U16, F16, BF16, I32, U32, F32, F64, I64, U64, F8_E4M3, F8_E5M2 };

/// "F32" as the format writes it.
std::string dtype_name(DType dtype);
std::size_t dtype_size(DType dtype);

struct TensorInfo {
  DType dtype = DType::F32;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0, end = 0;   ///< byte range inside the data section

  std::int64_t elements() const;
};

/// A tensor's bytes in a mapped file; valid while the file object (or a copy of it) lives.
struct TensorView {
  TensorInfo info;
  std::span<const std::byte> bytes;
};

/// Parses and validates a header against the size of the data section that follows it. (The fuzz target.)
/// Returned in the order of the offsets.
struct SafetensorsHeader {
  std::vector<std::pair<std::string, TensorInfo>> tensors;
  std::map<std::string, std::string> metadata;
};
Result<SafetensorsHeader> parse_safetensors_header(std::string_view header, std::uint64_t data_bytes, const std::string& where);

/// One mapped file. Copies share the mapping.
class SafetensorsFile {
 public:
  static Result<SafetensorsFile> open(const std::filesystem::path& path);

  const SafetensorsHeader& header() const;
  std::optional<TensorView> find(const std::string& name) const;
  const std::filesystem::path& path() const;
  std::uint64_t size() const;   ///< of the whole file, in bytes

 private:
  struct Mapping;
  std::shared_ptr<const Mapping> mapping_;
};

/// A checkpoint folder's weights: `model.safetensors`, or the shards that `model.safetensors.index.json` names.
/// Refuses .bin/.pt/.pkl with the sentence that says what to do instead.
class CheckpointFiles {
 public:
  static Result<CheckpointFiles> open(const std::filesystem::path& folder);

  const std::map<std::string, TensorInfo>& tensors() const { return tensors_; }
  std::optional<TensorView> find(const std::string& name) const;
  const std::vector<SafetensorsFile>& files() const { return files_; }
  std::uint64_t total_bytes() const;

 private:
  std::vector<SafetensorsFile> files_;
  std::map<std::string, TensorInfo> tensors_;
  std::map<std::string, std::size_t> file_of_;
};

/// What a writer takes: name, dtype, shape and the bytes (row-major, little-endian), which it does not copy.
struct TensorToWrite {
  std::string name;
  DType dtype = DType::F32;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;
};

/// Writes one file (not atomically by itself: write into a FolderWriter, or beside and rename), as the format's reference
/// implementation lays it out: tensors by descending dtype size then name, header padded with spaces to 8 bytes.
Status write_safetensors(const std::filesystem::path& path, const std::vector<TensorToWrite>& tensors,
                         const std::map<std::string, std::string>& metadata = {{"format", "pt"}});

}  // namespace luthier
