// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/io/system_error.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace luthier {

namespace {

std::string hint_for(int code) {
  switch (code) {
    case ENOSPC:
    case EDQUOT: return "Free some space there, or choose another place.";
    case EFBIG: return "Raise the file size limit, or choose another place.";
    case EACCES:
    case EPERM: return "Check the rights of the file and its folder.";
    case EROFS: return "Choose a place that can be written.";
    case ENOENT: return "Check the path.";
    case EMFILE:
    case ENFILE: return "Raise the limit of open files (ulimit -n).";
    default: return {};
  }
}

}  // namespace

Error system_error(const std::string& what, const std::filesystem::path& path, int code) {
  std::string sentence = what + ": " + std::strerror(code) + ".";
  switch (code) {
    case ENOENT:
    case EACCES:
    case EPERM:
    case ENOTDIR:
    case EISDIR:
    case EROFS:
    case ELOOP:
    case ENAMETOOLONG:
    case EEXIST:
    case ENOTEMPTY:
    case EINVAL: return input_error(std::move(sentence), path.string(), hint_for(code));
    default: return machine_error(std::move(sentence), path.string(), hint_for(code));
  }
}

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

bool Descriptor::close() {
  const int fd = std::exchange(fd_, -1);
  return fd < 0 || ::close(fd) == 0 || errno == EINTR;
}

Result<Descriptor> open_for_reading(const std::filesystem::path& path) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (file.get() < 0) {
    const int code = errno;
    if (code == ENOENT)
      return input_error("This file does not exist.", path.string(), "Check the path.");
    return system_error("This file cannot be read", path, code);
  }
  struct stat about {};
  if (::fstat(file.get(), &about) != 0)
    return system_error("This file cannot be read", path, errno);
  if (S_ISDIR(about.st_mode))
    return input_error("This is a folder, and a file is needed.", path.string());
  return file;
}

Status write_all(const Descriptor& file, std::string_view bytes,
                 const std::filesystem::path& path) {
  while (!bytes.empty()) {
    constexpr std::size_t kAtMost = 1u << 30;
    const ssize_t written = ::write(file.get(), bytes.data(), std::min(bytes.size(), kAtMost));
    if (written < 0) {
      if (errno == EINTR) continue;
      return system_error("Writing failed", path, errno);
    }
    if (written == 0) return system_error("Writing failed", path, ENOSPC);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

namespace {

Status sync_path(const std::filesystem::path& path, int flags) {
  Descriptor file(::open(path.c_str(), flags | O_CLOEXEC));
  if (file.get() < 0) return system_error("Saving to disk failed", path, errno);
  if (::fsync(file.get()) != 0) {
    // Some file systems cannot sync a folder and say so; there is nothing more to do there.
    if (!((flags & O_DIRECTORY) && (errno == EINVAL || errno == EBADF)))
      return system_error("Saving to disk failed", path, errno);
  }
  if (!file.close()) return system_error("Saving to disk failed", path, errno);
  return {};
}

}  // namespace

Status sync_file(const std::filesystem::path& path) { return sync_path(path, O_RDONLY); }

Status sync_folder(const std::filesystem::path& path) {
  return sync_path(path.empty() ? "." : path, O_RDONLY | O_DIRECTORY);
}

Status rename_path(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0)
    return system_error("Moving the finished file into place failed", to, errno);
  return {};
}

}  // namespace luthier
