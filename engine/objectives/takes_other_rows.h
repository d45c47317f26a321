// SPDX-License-Identifier: GPL-3.0-or-later
// An objective that makes something of a row by another row of its micro-batch (another document's
// text, another picture's): where micro-batches have one row by the recipe, there is none.
#pragma once

#include "engine/batches/batch.h"

namespace luthier {

/// What such an objective is, besides.
class TakesOtherRows {
 public:
  virtual ~TakesOtherRows() = default;
  /// Input error at training.per_device_train_batch_size where the recipe's micro-batches have one
  /// row, and this one needs another beside it. Asked of each row before the first step.
  virtual Status check_beside_none(const EncodedRow& row) const = 0;
};

}  // namespace luthier
