// SPDX-License-Identifier: GPL-3.0-or-later
// Accumulation windows, loaded ahead by threads of their own: while a step computes, the next
// window's rows are read, their pictures decoded and their tokens made. A window is handed over
// whole, because its loss is divided by the counts of all of it. Each row is made of the recipe,
// the row and the epoch alone, and stands in its place, whoever reads it.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "engine/batches/batch.h"
#include "engine/batches/broken_row.h"
#include "engine/batches/row_order.h"
#include "engine/data/dataset.h"

namespace luthier {

/// Rows that are answered, or bring answers along, and are then cut into micro-batches.
struct BegunGeneration {
  std::size_t batch = 0;  ///< the window's micro-batch that it begins with
  MicroBatch rows;
};

struct Window {
  /// One whose rows were all left out is empty and keeps its number; those of generations are
  /// empty until these are there.
  std::vector<MicroBatch> batches;
  std::vector<BegunGeneration> generations;
  std::vector<BrokenRow> broken;  ///< rows that were found so here and are left out from now on
  std::int64_t tokens() const;    ///< of all sequences, without padding
};

/// How rows become examples.
struct RowReader {
  std::shared_ptr<const Dataset> dataset;
  std::shared_ptr<const ChatProcessor> processor;
  const RowKind* kind = &answer_rows();  ///< the objective's
  LossOn loss_on = LossOn::Completion;
  std::int64_t max_length = 0;
  std::uint64_t seed = 0;    ///< of what the kind draws
  bool skip_broken = false;  ///< image.on_error: leave out rows with broken pictures
  /// `fault` gets the kind of an error. `outline`: without the pictures' values.
  Result<EncodedRow> read(std::int64_t row, std::int64_t epoch = 0, RowFault* fault = nullptr,
                          bool outline = false) const;
};

/// Whether it is the row's picture that is at fault.
bool is_picture_fault(RowFault fault);

/// How many threads read rows beside a training that keeps `busy` threads of `cores` at work.
std::size_t reading_threads(int cores, int busy);

/// Which of each window's micro-batches are read: every `ranks`th of them, from `rank` on. The
/// others are there and empty.
struct WindowPart {
  int rank = 0, ranks = 1;
  bool has(std::int64_t batch) const { return batch % ranks == rank; }
  static WindowPart none() { return {-1, 1}; }
};

class WindowSource {
 public:
  /// `usable`: the dataset's rows that take part, in order. Starts with the window of the step
  /// after `done` steps. `cache` may be null. `broken`: those of the rows that earlier windows left
  /// out. They keep their places in the plan, so that the steps stay as they were counted, and a
  /// row's window is the same whenever it is loaded: by what the files hold, never by when.
  /// `threads` read a window's rows side by side. `order` stands in for that of seed and shuffle.
  WindowSource(RowReader reader, std::vector<std::int64_t> usable, const StepPlan& plan,
               std::int64_t seed, bool shuffle, std::int64_t done,
               std::shared_ptr<const RowCache> cache, const std::vector<std::int64_t>& broken = {},
               std::size_t threads = 1, std::shared_ptr<const RowOrder> order = {},
               WindowPart part = {});
  ~WindowSource();
  WindowSource(const WindowSource&) = delete;
  WindowSource& operator=(const WindowSource&) = delete;

  /// The next step's window. The error names the row.
  Result<Window> next();

 private:
  /// A row on its way into a window.
  struct Place {
    std::size_t batch = 0;
    std::int64_t row = 0, pass = 0;
    std::shared_ptr<const CachedRow> cached;
    std::optional<Result<EncodedRow>> encoded;  ///< empty: nobody came to it
    RowFault fault = RowFault::BadRow;
    std::exception_ptr thrown;
  };
  void work();
  Result<Window> load(std::int64_t done);
  void read_all(std::vector<Place>& places);
  bool stops();
  Result<EncodedRow> read(std::int64_t row, std::int64_t epoch, const CachedRow* cached,
                          RowFault* fault) const;

  const RowReader reader_;
  const std::vector<std::int64_t> usable_;
  const StepPlan plan_;
  const std::int64_t seed_;
  const bool shuffle_;
  const std::size_t threads_;
  const WindowPart part_;
  std::int64_t next_done_;
  std::shared_ptr<const RowCache> cache_;
  const std::shared_ptr<const RowOrder> order_rule_;
  std::int64_t order_epoch_ = -1;
  std::vector<PlacedRow> order_;
  std::set<std::int64_t> broken_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Result<Window>> ready_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace luthier
