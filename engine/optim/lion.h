// SPDX-License-Identifier: GPL-3.0-or-later
// Lion with a float32 momentum: by itself, and for the tensors whose momentum stays so.
#pragma once

#include <vector>

#include "engine/optim/optimizer.h"

namespace luthier {

class Lion : public Optimizer {
 public:
  Lion(std::vector<TrainedTensor> tensors, const Recipe& recipe);

 protected:
  void update(const Group& group) override;

  const double beta1_, beta2_;
};

}  // namespace luthier
