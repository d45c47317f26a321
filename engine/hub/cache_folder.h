// SPDX-License-Identifier: GPL-3.0-or-later
// One repository's folder in the Hugging Face cache, written as huggingface_hub lays it: blobs by
// their hash, snapshots of relative links to them, refs from a branch's name to a commit. A blob is
// whole or stands as `<hash>.incomplete`, and is locked while it grows, so that several programs
// may fetch at once.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "engine/base/result.h"
#include "engine/hub/listing.h"
#include "engine/hub/places.h"
#include "engine/io/system_error.h"

namespace luthier {

class CacheFolder {
 public:
  /// Makes the folders that are missing.
  static Result<CacheFolder> open(const std::filesystem::path& cache, const std::string& repository,
                                  const std::string& commit, HubKind kind = HubKind::Model);

  std::filesystem::path snapshot() const { return folder_ / "snapshots" / commit_; }
  std::filesystem::path blob(const HubFile& file) const { return folder_ / "blobs" / file.hash; }
  std::filesystem::path incomplete(const HubFile& file) const {
    return folder_ / "blobs" / (file.hash + ".incomplete");
  }

  /// Whether the whole blob is there, with its size.
  bool has(const HubFile& file) const;
  /// Bytes that an earlier attempt has left; 0 when there are none or more than the file has.
  std::uint64_t kept(const HubFile& file) const;
  /// Locks the blob as huggingface_hub does; waits while another program has it. Interrupted error
  /// when `go_on` says no.
  Result<Descriptor> lock(const HubFile& file, const std::function<bool()>& go_on) const;
  /// Checks the incomplete blob's hash and puts it in place, synced. A wrong hash is an Input
  /// error, and the blob is removed.
  Status finish(const HubFile& file, const std::function<bool()>& go_on) const;
  /// The snapshot's link to the blob.
  Status link(const HubFile& file) const;
  /// refs/<revision> → the commit; nothing for a revision that is the commit.
  Status set_ref(const std::string& revision) const;
  /// Machine error when the file system has fewer bytes left.
  Status check_space(std::uint64_t bytes) const;

 private:
  CacheFolder() = default;
  std::filesystem::path folder_, locks_;
  std::string commit_;
};

/// The hash that names this blob, of a file on disk: SHA-256, or git's SHA-1 of "blob <size>\0" and
/// the bytes. Interrupted error when `go_on` says no.
Result<std::string> blob_hash(const std::filesystem::path& path, bool sha256,
                              const std::function<bool()>& go_on);

}  // namespace luthier
