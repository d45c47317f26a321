// SPDX-License-Identifier: GPL-3.0-or-later
// A folder that is written in its own place, since its files name one another by their paths:
// unless all of it comes to stand, nothing of it stays.
#pragma once

#include <filesystem>
#include <utility>

namespace luthier {

class UnfinishedFolder {
 public:
  /// `folder`: not there yet, or empty.
  explicit UnfinishedFolder(std::filesystem::path folder) : folder_(std::move(folder)) {
    std::error_code ignored;
    stood_ = std::filesystem::exists(folder_, ignored);
  }
  UnfinishedFolder(const UnfinishedFolder&) = delete;
  UnfinishedFolder& operator=(const UnfinishedFolder&) = delete;
  ~UnfinishedFolder() {
    if (whole_) return;
    namespace fs = std::filesystem;
    std::error_code ignored;
    if (!stood_) {
      fs::remove_all(folder_, ignored);
      return;
    }
    fs::directory_iterator entry(folder_, ignored);
    for (; entry != fs::directory_iterator(); entry.increment(ignored))
      fs::remove_all(entry->path(), ignored);
  }
  void keep() { whole_ = true; }

 private:
  std::filesystem::path folder_;
  bool stood_ = false, whole_ = false;
};

}  // namespace luthier
