// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/ranks/presence.h"

#include <chrono>

#include "engine/base/log.h"
#include "engine/base/text.h"
#include "engine/ranks/gloo_group.h"

namespace luthier {

namespace {

constexpr int kTag = 3;

}  // namespace

Presence::Presence(c10::intrusive_ptr<c10d::Backend> group, int rank, int size)
    : group_(std::move(group)) {
  for (int other = 0; other < size; ++other) {
    if (other == rank) continue;
    std::vector<torch::Tensor> word{torch::zeros({1}, torch::kUInt8)};
    const std::lock_guard lock(mutex_);
    const auto work = words_.emplace_back(group_->recv(word, other, kTag));
    threads_.emplace_back([this, other, work] {
      try {
        work->wait(std::chrono::milliseconds(kEver));
      } catch (const std::exception& failure) {
        const std::lock_guard again(mutex_);
        if (stopped_) return;
        missing_ = other;
        log_debug("Rank " + std::to_string(other) + " is gone: " + first_line(failure.what()));
      }
    });
  }
}

Presence::~Presence() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    for (const auto& word : words_) word->abort();
  }
  for (std::thread& thread : threads_) thread.join();
}

}  // namespace luthier
