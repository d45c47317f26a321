// SPDX-License-Identifier: GPL-3.0-or-later
// A file's bytes mapped for reading, for texts that are too large to stand in memory. When another
// program cuts a mapped file short, the next touch of what is gone is a bus error, which ends a
// process; here it becomes zeros, and `check` says so afterwards.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string_view>

#include "engine/base/result.h"

namespace luthier {

class GuardedMapping {
 public:
  /// Of an open file with so many bytes; `path` is for the errors.
  static Result<GuardedMapping> open(int descriptor, std::uint64_t bytes,
                                     const std::filesystem::path& path);
  GuardedMapping(GuardedMapping&& other) noexcept;
  GuardedMapping& operator=(GuardedMapping&&) = delete;
  ~GuardedMapping();

  std::string_view text() const { return {static_cast<const char*>(address_), bytes_}; }
  /// What lies before `end` leaves memory, some pieces at a time, and is read again where it is
  /// looked at again: a file that is gone through once need not stand there whole.
  void let_go(std::size_t end) const;
  /// An Input error where the file was cut short under what has been read of it.
  Status check() const;

 private:
  GuardedMapping() = default;
  void* address_ = nullptr;
  std::size_t bytes_ = 0;
  std::size_t slot_ = 0;          ///< of the list that the handler looks through
  mutable std::size_t gone_ = 0;  ///< bytes that were let go
  std::filesystem::path path_;
};

}  // namespace luthier
