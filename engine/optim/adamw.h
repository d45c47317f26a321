// SPDX-License-Identifier: GPL-3.0-or-later
// AdamW with float32 moments, exp_avg and exp_avg_sq: by itself, and for what other optimizers
// leave to it.
#pragma once

#include <vector>

#include "engine/optim/optimizer.h"

namespace luthier {

class AdamW : public Optimizer {
 public:
  AdamW(std::vector<TrainedTensor> tensors, const Recipe& recipe);

 protected:
  void update(const Group& group) override;
  std::size_t update_with_kernels(const Group& group) override;

  const double beta1_, beta2_, epsilon_;

 private:
  struct Batch;
  void move_batch(const Group& group, Batch& batch, const torch::Tensor& count) const;
};

}  // namespace luthier
