// SPDX-License-Identifier: GPL-3.0-or-later
// Open-file-description locks: unlike flock they can be asked about without being taken, and unlike
// fcntl's older ones they also hold between two threads of one process.
#include "engine/runs/run_lock.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "engine/io/system_error.h"

namespace luthier {

namespace {

struct flock whole_file(short type) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  return lock;
}

}  // namespace

Result<std::shared_ptr<const void>> lock_run(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / kRunLockName;
  auto file = std::make_shared<Descriptor>(
      ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666));
  if (file->get() < 0) return system_error("This folder cannot be written", path, errno);
  struct flock lock = whole_file(F_WRLCK);
  if (::fcntl(file->get(), F_OFD_SETLK, &lock) != 0) {
    if (errno == EAGAIN || errno == EACCES) {
      return input_error("Another training is running in this folder.", folder.string(),
                         "Stop it first, or choose another output_dir.");
    }
    if (errno != EINVAL && errno != ENOTSUP && errno != ENOLCK)
      return system_error("This folder cannot be locked", path, errno);
    // A file system without locks: go on without one.
  }
  return std::shared_ptr<const void>(std::move(file));
}

bool run_is_locked(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / kRunLockName;
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (file.get() < 0) return false;
  struct flock lock = whole_file(F_WRLCK);
  return ::fcntl(file.get(), F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

}  // namespace luthier
