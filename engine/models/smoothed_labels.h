// SPDX-License-Identifier: GPL-3.0-or-later
// Of models whose configuration smooths the labels of what they write (BLIP's label_smoothing):
// the loss of an answer's token is (1 − ε)·(−log p[token]) + ε·mean(−log p) over all tokens.
#pragma once

#include "engine/models/model.h"

namespace luthier {

class SmoothedLabels {
 public:
  virtual ~SmoothedLabels() = default;
  /// ε, in [0, 1].
  virtual double label_smoothing() const = 0;
};

/// 0 where the model smooths nothing.
inline double label_smoothing_of(const Model& model) {
  const auto* smoothed = dynamic_cast<const SmoothedLabels*>(&model);
  return smoothed ? smoothed->label_smoothing() : 0;
}

}  // namespace luthier
