// SPDX-License-Identifier: GPL-3.0-or-later
// An objective that learns from samples which rows bring along, and says of each row whether it
// can: asked before the first step, so that no row is refused in mid-run.
#pragma once

#include "engine/batches/batch.h"

namespace luthier {

/// What such an objective is, besides.
class TakesGivenSamples {
 public:
  virtual ~TakesGivenSamples() = default;
  /// Input error at the row's field where the objective cannot learn from its samples beside those
  /// of `first`, the first row of the run.
  virtual Status check_given(const LoadedModel& base, const EncodedRow& row,
                             const EncodedRow& first) const = 0;
};

}  // namespace luthier
