// SPDX-License-Identifier: GPL-3.0-or-later
// Several adapters on one batch, each on rows of its own. In the place of their plugs hang plugs
// that part what passes into the rows' runs: the base's product is made once for all of them, and
// each run gets what its adapter adds. Nothing is copied, and a row's numbers are those that it has
// under its adapter alone but for the order in which a product of more rows is summed.
//   RoutedAdapters routed(*base.model, {&korean, &colours});
//   routed.set_rows({0, 0, 1, RoutedAdapters::kBase});   // four rows of one length
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "engine/methods/adapter.h"
#include "engine/models/model.h"

namespace luthier {

/// Which adapter each row of a batch has. What passes a plug lies row after row.
class RowRoute {
 public:
  struct Run {
    std::size_t adapter;
    std::int64_t begin, count;  ///< of the first axis
  };
  /// `lengths`: tokens of each row; empty: all rows are as long as one another.
  void set(std::vector<std::size_t> adapters, std::vector<std::int64_t> lengths);
  /// The runs of `size` places: one or equally many for each row, or the rows' tokens. A logic
  /// error where they cannot be parted so.
  std::vector<Run> runs(std::int64_t size) const;
  /// All rows are as long as one another, so that equally many places of each can be parted too.
  bool even() const { return lengths_.empty(); }

 private:
  std::vector<std::size_t> adapters_;
  std::vector<std::int64_t> lengths_;
  std::int64_t tokens_ = 0;
};

class RoutedAdapters {
 public:
  static constexpr std::size_t kBase = static_cast<std::size_t>(-1);

  /// Whether the adapter can be routed: what it does is done row by row. What swaps whole weights
  /// or puts tokens before every row has a batch to itself.
  static bool can_route(const Adapter& adapter);

  /// Hangs them; what hung on the model is taken off by who hung it. They answer and do not train:
  /// no gradient flows through the routing.
  RoutedAdapters(Model& model, const std::vector<const Adapter*>& adapters);
  ~RoutedAdapters();
  RoutedAdapters(const RoutedAdapters&) = delete;
  RoutedAdapters& operator=(const RoutedAdapters&) = delete;

  /// The adapters of the next batch's rows, by their places in the list given, or kBase.
  void set_rows(std::vector<std::size_t> adapters, std::vector<std::int64_t> lengths = {}) {
    route_->set(std::move(adapters), std::move(lengths));
  }

 private:
  std::shared_ptr<RowRoute> route_;
  std::vector<Adapter::Hung> hung_;
};

}  // namespace luthier
