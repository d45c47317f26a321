// SPDX-License-Identifier: GPL-3.0-or-later
// SigLIP's pooling head. Language models read no pooled output; the tensors are kept for the file.
#pragma once

#include "engine/models/vision_parts.h"
#include "engine/nn/plain_linear.h"

namespace luthier {

/// torch's MultiheadAttention as the head holds it.
class PooledAttention : public ParameterModule {
 public:
  PooledAttention(std::int64_t size, const torch::TensorOptions& t) {
    add_parameter("in_proj_weight", in_proj_weight_, {3 * size, size}, t);
    add_parameter("in_proj_bias", in_proj_bias_, {3 * size}, t);
    out_proj_ = register_module("out_proj", PlainLinear(size, size, true, t));
  }
  std::string type_name() const override { return "Parameter"; }

 private:
  torch::Tensor in_proj_weight_, in_proj_bias_;
  PlainLinear out_proj_{nullptr};
};

class PoolingHead : public ParameterModule {
 public:
  PoolingHead(const VisionSizes& o, const torch::TensorOptions& t) {
    add_parameter("probe", probe_, {1, 1, o.hidden_size}, t);
    register_module("attention", std::make_shared<PooledAttention>(o.hidden_size, t));
    register_module("layernorm", LayerNorm(o.hidden_size, o.layer_norm_eps, t));
    register_module("mlp", std::make_shared<VisionMlp>(o, t));
  }
  std::string type_name() const override { return "Parameter"; }

 private:
  torch::Tensor probe_;
};

}  // namespace luthier
