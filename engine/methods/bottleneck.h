// SPDX-License-Identifier: GPL-3.0-or-later
// Bottleneck adapters as the AdapterHub library `adapters` computes them behind the branches of
// pre-norm layers: a product to fewer numbers, a non-linearity, a product back, added to what the
// branch gives. Houlsby et al. (2019): behind attention and feed-forward, of what the branch gives.
// Pfeiffer et al. (2020): behind the feed-forward, of the sum that the layer would pass on.
//
// PEFT has no such method. The folder is AdapterHub's as far as its files are known: the config
// stands under "config" with its names, and the keys are
//   LAYER.{attention,output}_adapters.adapters.default.adapter_down.0.{weight,bias} and
//   LAYER.{attention,output}_adapters.adapters.default.adapter_up.{weight,bias},
// where LAYER is transformers' name of the layer. Ours beside it: peft_type, by which a folder's
// method is found, and the tensor file's name (adapter_model.safetensors; AdapterHub's is
// adapter.safetensors).
#pragma once

#include "engine/methods/method.h"
#include "engine/nn/layers.h"

namespace luthier {

class BottleneckPlug : public BranchPlug {
 public:
  /// down [r, hidden], up [hidden, r], float32. `of_sum`: its input is y + x and not y alone.
  BottleneckPlug(const std::vector<torch::Tensor>& tensors, Activation activation, bool of_sum);
  torch::Tensor after(const torch::Tensor& y, const torch::Tensor& x) const override;

 private:
  torch::Tensor down_weight_, down_bias_, up_weight_, up_bias_;
  Activation activation_;
  bool of_sum_;
};

const Method& bottleneck_method();
/// AdapterHub's config of these settings, and back.
Json write_bottleneck_settings(const AdapterSettings& settings);
Result<AdapterSettings> read_bottleneck_settings(const Json& config, const std::string& where);

}  // namespace luthier
