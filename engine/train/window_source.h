// SPDX-License-Identifier: GPL-3.0-or-later
// Accumulation windows, loaded ahead by one thread of its own: while a step computes, the next window's rows are read, their pictures
// decoded and their tokens made. A window is handed over whole, because its loss is divided by the labels of all of it.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "engine/data/dataset.h"
#include "engine/models/vlm.h"
#include "engine/train/order.h"
#include "engine/train/row_cache.h"

namespace luthier {

/// Rows that go through the model at once.
struct MicroBatch {
  std::vector<std::int64_t> rows;                             ///< of the dataset, from 0
  std::vector<Example> examples;                              ///< pixel values only where not cached
  std::vector<std::shared_ptr<const CachedRow>> cached;       ///< one a row; null: not cached
};

struct Window {
  std::vector<MicroBatch> batches;
  std::int64_t labels = 0;                                    ///< predicted ones: position 0 never counts
  std::int64_t tokens = 0;                                    ///< without padding
};

/// Labelled positions after the shift.
std::int64_t count_labels(const Example& example);

/// How rows become examples.
struct RowReader {
  std::shared_ptr<const Dataset> dataset;
  std::shared_ptr<const ChatProcessor> processor;
  LossOn loss_on = LossOn::Completion;
  std::int64_t max_length = 0;
  Result<Example> read(std::int64_t row) const;
};

class WindowSource {
 public:
  /// `usable`: the dataset's rows that take part, in order. Starts with the window of the step after `done` steps. `cache` may be null.
  WindowSource(RowReader reader, std::vector<std::int64_t> usable, const StepPlan& plan, std::int64_t seed, bool shuffle, std::int64_t done,
               std::shared_ptr<const RowCache> cache);
  ~WindowSource();
  WindowSource(const WindowSource&) = delete;
  WindowSource& operator=(const WindowSource&) = delete;

  /// The next step's window. The error names the row.
  Result<Window> next();

 private:
  void work();
  Result<Window> load(std::int64_t done);

  const RowReader reader_;
  const std::vector<std::int64_t> usable_;
  const StepPlan plan_;
  const std::int64_t seed_;
  const bool shuffle_;
  std::int64_t next_done_;
  std::shared_ptr<const RowCache> cache_;
  std::int64_t order_epoch_ = -1;
  std::vector<std::int64_t> order_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Result<Window>> ready_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace luthier
