// SPDX-License-Identifier: GPL-3.0-or-later
// The answers that are drawn and judged together, and how they are cut into micro-batches: a group
// is compared within itself, or all of a generation with one another, wherever its samples are
// learned from.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/batches/batch.h"
#include "engine/batches/order.h"

namespace luthier {

class SharedWork;

struct Generation {
  MicroBatch rows;          ///< its prompts, with their samples once there are some
  std::int64_t number = 0;  ///< from the run's start
  std::int64_t slices = 1;  ///< micro-batches that it is cut into
  /// Of each prompt's samples the first so many are learned from; 0: all.
  std::int64_t learned = 0;
  std::uint64_t seed = 0;   ///< of what is drawn for it
  bool shuffles = false;    ///< its samples go to its micro-batches in an order drawn by `seed`
  bool reshuffles = false;  ///< and each use has an order of its own
  /// No step is taken between its drawing and its last use: who learns is who drew.
  bool fresh = true;
  bool drawn = false;                     ///< its samples are this run's own
  std::map<std::string, double> figures;  ///< of all of it
  std::function<bool()> go_on;            ///< asked while it is drawn; empty: it is not stopped
  const SharedWork* shared = nullptr;     ///< what is asked about it is; null: this process asks

  std::int64_t samples() const;
};

/// A sample of a generation.
struct SamplePlace {
  std::size_t row = 0, sample = 0;
};
/// The samples of micro-batch `slice` in the order in which it has them. Slices of later uses count
/// on where the generation is shuffled anew for each.
std::vector<SamplePlace> places_of(const Generation& generation, std::int64_t slice);
/// The samples of micro-batch `slice`, those of one prompt beside one another as a row of their own
/// that shows the prompt's pictures once.
MicroBatch slice_of(const Generation& generation, std::int64_t slice);

}  // namespace luthier
