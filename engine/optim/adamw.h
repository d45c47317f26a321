// SPDX-License-Identifier: GPL-3.0-or-later
// AdamW (Loshchilov & Hutter 2019), step for step what torch.optim.AdamW does: decoupled decay and
// bias correction, with a step count of its own for each tensor. Moments are float32 whatever the
// parameter's dtype.
#pragma once

#include <utility>
#include <vector>

#include "engine/optim/optimizer.h"

namespace luthier {

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weight_decay = 0;
};

class AdamW : public Optimizer {
 public:
  AdamW(std::vector<TrainedTensor> tensors, const AdamWOptions& options)
      : Optimizer(std::move(tensors), layout, options.weight_decay), options_(options) {}

  static std::vector<StateTensor> layout(const std::vector<std::int64_t>& shape);

 protected:
  void update(const Group& group) override;

 private:
  void update_fused(const Group& group, const std::vector<const Moved*>& members) const;
  void update_rounded(const Group& group, const Moved& moved) const;

  AdamWOptions options_;
};

}  // namespace luthier
