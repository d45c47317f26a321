// SPDX-License-Identifier: GPL-3.0-or-later
// Heads of transformers' classes that no objective here trains (what a decoder says of a row, where
// an answer begins and ends, pixels of covered patches): called by tensors, a folder of such a
// class has its head beside the family's model.
#pragma once

#include <string>

#include "engine/models/loaded_model.h"
#include "engine/nn/parameters.h"

namespace luthier {

class HeadOfClass : public ParameterModule {
 public:
  HeadOfClass(at::IntArrayRef weight, bool bias, const torch::TensorOptions& tensors);
  std::string type_name() const override { return "Parameter"; }

  /// x [..., in] → [..., out], in float32; a convolution's weight of one pixel is a product too.
  torch::Tensor forward(const torch::Tensor& x) const;
  std::int64_t numbers() const { return weight_.size(0); }

 private:
  torch::Tensor weight_, bias_;
};

/// Hangs it into the model under its name in the files, where the class that config.json names has
/// one and the model has none of its own. Input error: the files lack it, or its shape does not
/// fit.
Status hang_head_of_class(LoadedModel& loaded);
/// Null: none hangs there.
HeadOfClass* head_of_class(const Model& model);

/// Whether a folder of such a class lacks this tensor (by its name in memory) and is whole.
bool head_replaces(const std::string& architecture, const std::string& name);

}  // namespace luthier
