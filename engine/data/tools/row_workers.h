// SPDX-License-Identifier: GPL-3.0-or-later
// Every row of a dataset by several threads: what looking at a million rows costs is mostly reading
// and parsing them, which rows do apart.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <functional>
#include <thread>
#include <vector>

#include "engine/base/result.h"

namespace luthier {

/// progress(done, total), on the calling thread; false cancels.
using RowProgress = std::function<bool(std::size_t, std::size_t)>;

/// `work(first, last, thread)` over pieces of all rows, by at most four threads; the pieces come in
/// any order. An Interrupted error where `progress` said no.
template <class Work>
Status for_rows(std::size_t rows, const RowProgress& progress, const Work& work) {
  constexpr std::size_t kPiece = 256, kMostWorkers = 4;
  std::atomic<std::size_t> next = 0, done = 0;
  std::atomic<bool> stop = false;
  const auto step = [&](std::size_t thread) {
    const std::size_t first = next.fetch_add(kPiece);
    if (stop || first >= rows) return false;
    const std::size_t last = std::min(first + kPiece, rows);
    work(first, last, thread);
    done.fetch_add(last - first);
    return true;
  };
  const std::size_t workers =
      std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, kMostWorkers);
  std::vector<std::jthread> threads;
  for (std::size_t i = 1; i < workers && i * kPiece < rows; ++i)
    threads.emplace_back([&step, i] {
      while (step(i)) {}
    });
  while (step(0))
    if (progress && !progress(done, rows)) stop = true;
  threads.clear();  // joins
  if (stop || (progress && !progress(rows, rows))) return interrupted_error();
  return {};
}

inline constexpr std::size_t kMostRowWorkers = 4;

}  // namespace luthier
