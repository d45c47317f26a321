// SPDX-License-Identifier: GPL-3.0-or-later
// Whether the other ranks are there, for whoever waits for something that would never tell: a card
// that waits for another one's bytes waits for ever. Each rank listens to each for a word that
// never comes; the line to a process that ends breaks.
#pragma once

#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include "engine/device/torch.h"

namespace luthier {

class Presence {
 public:
  static constexpr int kNobody = -1;

  /// `group` is nobody else's. Throws c10d's errors.
  Presence(c10::intrusive_ptr<c10d::Backend> group, int rank, int size);
  /// The others take it that this rank is gone.
  ~Presence();
  Presence(const Presence&) = delete;
  Presence& operator=(const Presence&) = delete;

  /// A rank that is gone, or kNobody.
  int missing() const { return missing_; }

 private:
  const c10::intrusive_ptr<c10d::Backend> group_;
  std::atomic<int> missing_ = kNobody;
  std::mutex mutex_;  ///< of what follows, and of the group's own count of calls
  bool stopped_ = false;
  std::vector<c10::intrusive_ptr<c10d::Work>> words_;  ///< that never come
  std::vector<std::thread> threads_;
};

}  // namespace luthier
