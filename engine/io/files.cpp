// SPDX-License-Identifier: GPL-3.0-or-later
// Single files: read within a limit, replaced atomically, appended to line by line, and names
// resolved within a root.
#include "engine/io/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <memory>

#include <openssl/evp.h>

#include "engine/io/system_error.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

Error too_large(const fs::path& path, std::uint64_t max_bytes) {
  return input_error("The file is larger than the " + std::to_string(max_bytes) +
                         " bytes that are read of such a file.",
                     path.string());
}

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr);
  }
  void add(const void* data, std::size_t bytes) { EVP_DigestUpdate(context_.get(), data, bytes); }
  std::string finish() {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int length = 0;
    EVP_DigestFinal_ex(context_.get(), digest, &length);
    std::string text;
    for (unsigned int i = 0; i < length; ++i) {
      text += "0123456789abcdef"[digest[i] >> 4];
      text += "0123456789abcdef"[digest[i] & 15];
    }
    return text;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context_;
};

/// Hands a file's bytes to `take` piece by piece.
template <class Take>
Status read_pieces(const Descriptor& file, const fs::path& path, Take take) {
  std::string buffer(1u << 20, '\0');
  while (true) {
    const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0) {
      if (errno == EINTR) continue;
      return system_error("This file cannot be read", path, errno);
    }
    if (got == 0) return {};
    if (!take(std::string_view(buffer.data(), static_cast<std::size_t>(got)))) return {};
  }
}

/// The hub cache repository (".../models--owner--name") that a snapshot's folder lies in; empty for
/// any other folder.
fs::path hub_repository(const fs::path& root) {
  for (fs::path at = root; at.has_relative_path(); at = at.parent_path()) {
    const fs::path above = at.parent_path();
    if (above.filename() != "snapshots") continue;
    const fs::path repository = above.parent_path();
    const std::string name = repository.filename().string();
    if (name.starts_with("models--") || name.starts_with("datasets--")) return repository;
  }
  return {};
}

bool lies_in(const fs::path& path, const fs::path& root) {
  const fs::path relative = path.lexically_relative(root);
  return !relative.empty() && *relative.begin() != "..";
}

}  // namespace

Result<std::string> read_file(const fs::path& path, std::uint64_t max_bytes) {
  LUTHIER_TRY(const Descriptor file, open_for_reading(path));
  struct stat about {};
  if (::fstat(file.get(), &about) != 0)
    return system_error("This file cannot be read", path, errno);
  std::string contents;
  if (S_ISREG(about.st_mode)) {
    const auto size = static_cast<std::uint64_t>(about.st_size);
    if (size > max_bytes) return too_large(path, max_bytes);
    contents.reserve(size);
  }
  bool within = true;
  LUTHIER_CHECK(read_pieces(file, path, [&](std::string_view piece) {
    within = piece.size() <= max_bytes - contents.size();
    if (within) contents.append(piece);
    return within;
  }));
  if (!within) return too_large(path, max_bytes);
  return contents;
}

Status write_file_atomically(const fs::path& path, std::string_view contents) {
  static std::atomic<unsigned> counter{0};
  const fs::path temporary =
      path.parent_path() / ("." + path.filename().string() + ".partial-" +
                            std::to_string(::getpid()) + "-" + std::to_string(counter++));
  Descriptor file(
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666));
  if (file.get() < 0) return system_error("This file cannot be written", path, errno);
  const auto write_and_rename = [&]() -> Status {
    LUTHIER_CHECK(write_all(file, contents, path));
    if (::fsync(file.get()) != 0) return system_error("Saving to disk failed", path, errno);
    if (!file.close()) return system_error("Saving to disk failed", path, errno);
    return rename_path(temporary, path);
  };
  if (Status done = write_and_rename(); !done) {
    ::unlink(temporary.c_str());
    return done;
  }
  return sync_folder(path.parent_path());
}

Status append_line(const fs::path& path, std::string_view line) {
  Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
  if (file.get() < 0) return system_error("This file cannot be written", path, errno);
  struct stat about {};
  if (::fstat(file.get(), &about) != 0)
    return system_error("This file cannot be written", path, errno);
  std::string bytes(line);
  bytes += '\n';
  Status written = write_all(file, bytes, path);
  if (written && !file.close()) written = system_error("Writing failed", path, errno);
  // Half a line would spoil the next one.
  if (!written && S_ISREG(about.st_mode) && ::truncate(path.c_str(), about.st_size) != 0)
    return written;
  return written;
}

Result<std::string> sha256_file(const fs::path& path) {
  LUTHIER_TRY(const Descriptor file, open_for_reading(path));
  Sha256 hash;
  LUTHIER_CHECK(read_pieces(file, path, [&](std::string_view piece) {
    hash.add(piece.data(), piece.size());
    return true;
  }));
  return hash.finish();
}

std::string sha256_bytes(std::span<const std::byte> bytes) {
  Sha256 hash;
  hash.add(bytes.data(), bytes.size());
  return hash.finish();
}

Result<fs::path> resolve_inside(const fs::path& root, const std::string& relative) {
  const std::string where = (root / fs::path(relative).relative_path()).string();
  if (relative.empty() || relative.find('\0') != std::string::npos)
    return input_error("A file name is empty or broken.", root.string());
  const fs::path name(relative);
  if (name.is_absolute()) {
    return input_error(
        "The file name \"" + relative + "\" is absolute; only names within the folder are allowed.",
        root.string());
  }
  for (const fs::path& part : name) {
    if (part == "..")
      return input_error("The file name \"" + relative + "\" leaves the folder.", root.string(),
                         "Only names within it are allowed.");
  }
  std::error_code problem;
  const fs::path real_root = fs::weakly_canonical(root, problem);
  if (problem) return system_error("This folder cannot be read", root, problem.value());
  const fs::path real = fs::weakly_canonical(real_root / name, problem);
  if (problem) return system_error("This file cannot be read", root / name, problem.value());
  if (lies_in(real, real_root)) return root / name;
  if (const fs::path repository = hub_repository(real_root);
      !repository.empty() &&
      (lies_in(real, repository) || lies_in(real, repository.parent_path() / "blobs"))) {
    return root /
           name;  // a blob of its own, or one of the store that the cache's repositories share
  }
  return input_error("This is a link that leads out of the folder, to " + real.string() + ".",
                     where, "Put the file itself there.");
}

}  // namespace luthier
