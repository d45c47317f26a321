// SPDX-License-Identifier: GPL-3.0-or-later
// A linear that is a Conv1D in transformers (pytorch_utils.Conv1D of 5.17; GPT-2's products): its
// files hold the weight as [in, out]. In memory it lies as every other linear's does, and whoever
// reads or writes files turns it (Family::may_be_turned). Adapters meet a Linear; PEFT writes of it
// that fan_in_fan_out is true. It is not packed.
#pragma once

#include "engine/nn/plain_linear.h"

namespace luthier {

class Conv1DLinearImpl : public PlainLinearImpl {
 public:
  using PlainLinearImpl::PlainLinearImpl;
};
TORCH_MODULE(Conv1DLinear);

/// One with a bias, as what others are.
inline Linear conv1d_linear(std::int64_t in, std::int64_t out, const torch::TensorOptions& t) {
  return Linear(std::static_pointer_cast<LinearImpl>(
      std::make_shared<Conv1DLinearImpl>(in, out, /*bias=*/true, t)));
}

}  // namespace luthier
