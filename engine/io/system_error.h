// SPDX-License-Identifier: GPL-3.0-or-later
// What the operating system refused, as an Error: a wrong path or missing rights are the input's
// fault, a full disk or a broken one the machine's. And the small file helpers that check every
// return value.
#pragma once

#include <filesystem>
#include <string_view>
#include <utility>

#include "engine/base/result.h"

namespace luthier {

/// "path: `what`: No space left on device." `code` is an errno.
Error system_error(const std::string& what, const std::filesystem::path& path, int code);

/// An open file descriptor that is closed when dropped.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor();
  int get() const { return fd_; }
  /// Closes now; false (with errno) when the system reports a late write error.
  bool close();

 private:
  int fd_ = -1;
};

/// Opens for reading, never waiting on a pipe. The errors name what is wrong (missing, a folder, no
/// rights).
Result<Descriptor> open_for_reading(const std::filesystem::path& path);
/// Writes everything; `path` is for the error.
Status write_all(const Descriptor& file, std::string_view bytes, const std::filesystem::path& path);
Status sync_file(const std::filesystem::path& path);
Status sync_folder(const std::filesystem::path& path);
/// rename(2).
Status rename_path(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace luthier
