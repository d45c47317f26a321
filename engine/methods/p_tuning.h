// SPDX-License-Identifier: GPL-3.0-or-later
// P-tuning (Liu et al. 2021) as PEFT 0.21 has it: rows of the decoder's width in front of each
// row's first token, made in every pass from an embedding by an MLP of three layers or by a
// bidirectional LSTM and two layers. Only what they come to is in PEFT's file; the network stands
// beside it.
#pragma once

#include "engine/methods/method.h"

namespace luthier {

class PromptEncoder {
 public:
  /// PEFT's, by the settings' names.
  struct Shape {
    std::int64_t tokens = 0, width = 0, inner = 0;
    bool lstm = false;
    std::int64_t layers = 0;  ///< of the LSTM
  };
  /// The tensors by the keys of prompt_encoder.safetensors, in the order that the encoder takes.
  static std::vector<TensorSize> sizes(const Shape& shape);
  /// As PEFT starts them: into tensors of these sizes.
  static void draw(std::vector<torch::Tensor>& tensors, const Shape& shape,
                   at::Generator& generator);

  PromptEncoder(const Shape& shape, std::vector<torch::Tensor> tensors)
      : shape_(shape), tensors_(std::move(tensors)) {}
  /// [tokens, width]. `drop`: between the LSTM's layers, what is given and after which layer (from
  /// 0 on) → what goes on; null: nothing is dropped.
  using Drop = std::function<torch::Tensor(const torch::Tensor& x, std::int64_t layer)>;
  torch::Tensor made(const Drop& drop = {}) const;
  const std::vector<torch::Tensor>& tensors() const { return tensors_; }

 private:
  Shape shape_;
  std::vector<torch::Tensor> tensors_;
};

const Method& p_tuning_method();

}  // namespace luthier
