// SPDX-License-Identifier: GPL-3.0-or-later
// Rows to examples while the trainer computes: one worker thread encodes what was announced, in its
// order and a bounded number ahead; encoded examples stay in a cache bounded in bytes, because
// epochs repeat. What `batch` returns depends on the rows asked for only, never on the thread's
// timing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include "engine/base/result.h"
#include "engine/data/dataset.h"
#include "engine/data/processor.h"

namespace luthier {

enum class OnImageError { Refuse, Skip };  ///< a recipe's image.on_error

struct LoaderOptions {
  LossOn loss_on = LossOn::Completion;
  std::int64_t max_length = 2048;  ///< <= 0: no limit
  OnImageError on_error = OnImageError::Refuse;
  std::uint64_t cache_bytes = 1ull << 30;
  std::size_t rows_ahead = 64;  ///< how far the worker may be ahead of what was asked for
};

class ExampleLoader {
 public:
  ExampleLoader(std::shared_ptr<const Dataset> dataset,
                std::shared_ptr<const ChatProcessor> processor, const LoaderOptions& options);
  ~ExampleLoader();
  ExampleLoader(const ExampleLoader&) = delete;
  ExampleLoader& operator=(const ExampleLoader&) = delete;

  /// The examples of these rows (counted from 0), in this order. A row whose picture is missing or
  /// broken is left out where on_error says skip; any other fault, and a row without a single
  /// label, is an Input error that names the row. `stop` gives an Interrupted error.
  Result<std::vector<Example>> batch(std::span<const std::size_t> rows,
                                     const std::stop_token& stop = {});
  /// Announces the rows that will be asked for next, replacing what was announced before.
  void prefetch(std::vector<std::size_t> rows);

  /// How many different rows were left out so far, and which (ascending, from 0).
  std::vector<std::size_t> skipped() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace luthier
