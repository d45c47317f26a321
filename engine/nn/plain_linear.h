// SPDX-License-Identifier: GPL-3.0-or-later
// A linear whose weight is never packed with the others'. bitsandbytes packs what is torch's Linear
// itself; inside torch's MultiheadAttention stands a class of its own (NonDynamicallyQuantizableLinear,
// so called there), which stays as it is. To adapters it is a Linear like any.
#pragma once

#include "engine/nn/linear.h"

namespace luthier {

class PlainLinearImpl : public LinearImpl {
 public:
  using LinearImpl::LinearImpl;
};
TORCH_MODULE(PlainLinear);

}  // namespace luthier
