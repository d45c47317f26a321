// SPDX-License-Identifier: GPL-3.0-or-later
// What several threads may throw, of which the first is said once they have joined: nobody stands
// above a thread.
#pragma once

#include <atomic>
#include <exception>
#include <mutex>
#include <string>

namespace luthier {

class FirstFault {
 public:
  /// Whether `work` came to its end.
  template <class Work>
  bool guard(const Work& work) {
    try {
      work();
      return true;
    } catch (const std::exception& failure) {
      keep(failure.what());
    }
    return false;
  }

  /// Whether there was one: the other threads need not go on.
  explicit operator bool() const { return there_; }
  /// What it said; after the threads have joined.
  const std::string& what() const { return what_; }

 private:
  void keep(const char* what) {
    const std::lock_guard lock(mutex_);
    if (!there_) what_ = what;
    there_ = true;
  }

  std::atomic<bool> there_ = false;
  std::mutex mutex_;
  std::string what_;
};

}  // namespace luthier
