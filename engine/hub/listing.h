// SPDX-License-Identifier: GPL-3.0-or-later
// What a hub says of a repository: its commit and its files with size and hash. The answer comes
// from outside, so every field is checked before it is believed; a hub that leaves size or hash out
// is asked about each file instead (fetch.cpp).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"

namespace luthier {

struct HubFile {
  std::string name;                   ///< relative, with slashes
  std::optional<std::uint64_t> size;  ///< in bytes
  std::string hash;  ///< SHA-256 of a large file, else git's SHA-1 of the blob; names the blob.
                     ///< Empty: not said

  bool is_sha256() const { return hash.size() == 64; }
};

struct HubListing {
  std::string commit;  ///< hexadecimal digits: a folder's name below snapshots/
  std::vector<HubFile> files;
};

/// An answer has at most so many bytes and names at most so many files.
inline constexpr std::uint64_t kMaxListingBytes = 64u << 20;
inline constexpr std::size_t kMaxListedFiles = 50'000;

/// The JSON of GET /api/models/{id}/revision/{revision}?blobs=true, and of /api/datasets/… Input
/// error for hostile names, sizes and hashes.
Result<HubListing> parse_listing(std::string_view json, const std::string& where);

/// Those that a checkpoint is made of: safetensors, JSON, jinja and tokenizer files. Small ones
/// first. Weights that stand there twice (consolidated.safetensors beside model.safetensors) are
/// left out. Input error when no weights can be had.
Result<std::vector<HubFile>> files_to_fetch(const HubListing& listing, const std::string& where);
/// Those that a dataset is made of: rows (Parquet, Arrow, JSON, CSV, tar) and pictures; no programs
/// and no archives that are not read. Input error when there are no rows.
Result<std::vector<HubFile>> dataset_files(const HubListing& listing, const std::string& where);

}  // namespace luthier
