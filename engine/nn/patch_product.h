// SPDX-License-Identifier: GPL-3.0-or-later
// A convolution whose windows do not overlap (a picture tower's patch embedding) is one product
// with each window. It registers weight [out, channels, window...] and bias as the convolution
// does, and a plug that can hang on a Linear can hang on it.
#pragma once

#include <memory>

#include "engine/nn/linear.h"

namespace luthier {

class PatchProduct : public ParameterModule {
 public:
  /// windows [..., channels · window] → [..., out], through the plug if one hangs here.
  torch::Tensor product(const torch::Tensor& windows) const;
  /// The Linear that it is: its weight [out, channels · window] is the same memory.
  std::shared_ptr<LinearImpl> as_linear() const;
  torch::ScalarType dtype() const { return weight_.scalar_type(); }

  const LinearPlug* plug = nullptr;  ///< not owned; null: the base alone

 protected:
  torch::Tensor weight_, bias_;
};

}  // namespace luthier
