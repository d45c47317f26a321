// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/hub/cache_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <memory>
#include <thread>

#include <openssl/evp.h>

#include "engine/hub/places.h"
#include "engine/io/files.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kSpareBytes = 16u << 20;  // a disk filled to the last byte serves nobody

Status make_folder(const fs::path& folder) {
  std::error_code problem;
  fs::create_directories(folder, problem);
  if (problem && !fs::is_directory(folder))
    return system_error("This folder cannot be made", folder, problem.value());
  return {};
}

/// Size of a plain file, -1 for anything else. A blob of the shared store is a link and counts by
/// what it leads to.
std::int64_t size_of(const fs::path& path) {
  struct stat about {};
  if (::stat(path.c_str(), &about) != 0 || !S_ISREG(about.st_mode)) return -1;
  return about.st_size;
}

}  // namespace

Result<CacheFolder> CacheFolder::open(const fs::path& cache, const std::string& repository,
                                      const std::string& commit, HubKind kind) {
  CacheFolder opened;
  const std::string name = hub_folder_name(repository, kind);
  opened.folder_ = cache / name;
  opened.locks_ = cache / ".locks" / name;
  opened.commit_ = commit;
  for (const fs::path& folder :
       {opened.folder_ / "blobs", opened.folder_ / "refs", opened.snapshot(), opened.locks_})
    LUTHIER_CHECK(make_folder(folder));
  return opened;
}

bool CacheFolder::has(const HubFile& file) const {
  return file.size && size_of(blob(file)) == static_cast<std::int64_t>(*file.size);
}

std::uint64_t CacheFolder::kept(const HubFile& file) const {
  const std::int64_t size = size_of(incomplete(file));
  return size < 0 || static_cast<std::uint64_t>(size) > file.size.value_or(0)
             ? 0
             : static_cast<std::uint64_t>(size);
}

Result<Descriptor> CacheFolder::lock(const HubFile& file,
                                     const std::function<bool()>& go_on) const {
  const fs::path path = locks_ / (file.hash + ".lock");
  Descriptor held(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666));
  if (held.get() < 0) return system_error("This file cannot be locked", path, errno);
  while (::flock(held.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK)
      return held;  // a file system without locks: as safe as huggingface_hub there
    if (!go_on()) return interrupted_error();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return held;
}

Result<std::string> blob_hash(const fs::path& path, bool sha256,
                              const std::function<bool()>& go_on) {
  LUTHIER_TRY(const Descriptor file, open_for_reading(path));
  struct stat about {};
  if (::fstat(file.get(), &about) != 0)
    return system_error("This file cannot be read", path, errno);
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(),
                                                                   EVP_MD_CTX_free);
  EVP_DigestInit_ex(context.get(), sha256 ? EVP_sha256() : EVP_sha1(), nullptr);
  if (!sha256) {
    const std::string head = "blob " + std::to_string(about.st_size);
    EVP_DigestUpdate(context.get(), head.c_str(), head.size() + 1);  // with its zero byte
  }
  std::string buffer(1u << 20, '\0');
  while (true) {
    const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error("This file cannot be read", path, errno);
    if (got == 0) break;
    EVP_DigestUpdate(context.get(), buffer.data(), static_cast<std::size_t>(got));
    if (!go_on()) return interrupted_error();
  }
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  EVP_DigestFinal_ex(context.get(), digest, &length);
  std::string text;
  for (unsigned int i = 0; i < length; ++i) {
    text += "0123456789abcdef"[digest[i] >> 4];
    text += "0123456789abcdef"[digest[i] & 15];
  }
  return text;
}

Status CacheFolder::finish(const HubFile& file, const std::function<bool()>& go_on) const {
  const fs::path grown = incomplete(file);
  LUTHIER_TRY(const std::string hash, blob_hash(grown, file.is_sha256(), go_on));
  if (hash != file.hash) {
    ::unlink(grown.c_str());
    return input_error("The bytes that came do not have the hash that the hub publishes (" +
                           file.hash + "; they have " + hash + "), so they were removed.",
                       file.name,
                       "Fetch again. If it happens again, the hub's copy is damaged or somebody "
                       "changes it on the way.");
  }
  LUTHIER_CHECK(sync_file(grown));
  LUTHIER_CHECK(rename_path(grown, blob(file)));
  return sync_folder(folder_ / "blobs");
}

Status CacheFolder::link(const HubFile& file) const {
  const fs::path place = snapshot() / file.name;
  LUTHIER_CHECK(make_folder(place.parent_path()));
  const fs::path target = fs::path(blob(file)).lexically_relative(place.parent_path());
  std::error_code ignored;
  if (fs::read_symlink(place, ignored) == target) return {};
  const fs::path fresh =
      place.parent_path() / ("." + file.hash + ".link-" + std::to_string(::getpid()));
  ::unlink(fresh.c_str());
  if (::symlink(target.c_str(), fresh.c_str()) != 0)
    return system_error("The link into the cache cannot be made", place, errno);
  if (Status moved = rename_path(fresh, place); !moved) {
    ::unlink(fresh.c_str());
    return moved;
  }
  return {};
}

Status CacheFolder::set_ref(const std::string& revision) const {
  if (revision == commit_) return {};
  const fs::path ref = folder_ / "refs" / revision;
  LUTHIER_CHECK(make_folder(ref.parent_path()));
  return write_file_atomically(ref, commit_);
}

Status CacheFolder::check_space(std::uint64_t bytes) const {
  std::error_code problem;
  const fs::space_info space = fs::space(folder_, problem);
  if (problem || space.available >= bytes + kSpareBytes) return {};
  return machine_error("There is not enough room: " + std::to_string(bytes) +
                           " bytes are to be fetched, and " + std::to_string(space.available) +
                           " are free.",
                       folder_.string(), "Free some space there, or set HF_HOME to a larger disk.");
}

}  // namespace luthier
