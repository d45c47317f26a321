// SPDX-License-Identifier: GPL-3.0-or-later
// Compiled kernels on disk, so that only a card's first run waits for the compiler. An entry is
// named by what it was made of and carries its own checksum: one that does not fit, or was cut
// short, is as if it were not there and is replaced. Several processes may share the folder.
#pragma once

#include <atomic>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "engine/kernels/sources.h"

namespace luthier {

class KernelCache {
 public:
  explicit KernelCache(std::filesystem::path folder = usual_folder());
  /// XDG_CACHE_HOME/luthier/kernels, else ~/.cache/luthier/kernels; empty where neither is known.
  static std::filesystem::path usual_folder();
  /// SHA-256 of source, headers, options and the compiler's version.
  static std::string key(const KernelSource& source, const std::string& architecture,
                         const std::string& compiler_version);

  /// Nothing where there is no whole entry.
  std::optional<std::string> find(const std::string& key) const;
  /// A folder that cannot be written is told once in the log; the program goes on without it.
  void keep(const std::string& key, std::string_view binary);
  std::filesystem::path path_of(const std::string& key) const;

 private:
  std::filesystem::path folder_;
  std::atomic<bool> told_{false};
};

}  // namespace luthier
