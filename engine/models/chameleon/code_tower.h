// SPDX-License-Identifier: GPL-3.0-or-later
// What makes codes of Chameleon's pictures (ChameleonVQVAE of transformers 5.17; Gafni et al.
// 2022): a convolutional encoder, and of a table the row that is nearest to what it gives at each
// place. No gradient passes a choice, so that nothing in it ever learns.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/json.h"
#include "engine/nn/layers.h"

namespace luthier {

struct CodeTowerOptions {
  std::int64_t width = 256;    ///< of a code
  std::int64_t codes = 8192;   ///< rows of the table
  std::int64_t latents = 256;  ///< channels that the encoder gives
  bool double_latent = false;  ///< twice as many
  std::int64_t resolution = 512, base_channels = 128, blocks = 2;
  std::vector<std::int64_t> multipliers{1, 1, 2, 2, 4};  ///< of the channels, one a level
  std::vector<std::int64_t> attended;                    ///< resolutions with attention
  bool attends = true;

  std::int64_t side() const {
    return resolution >> (static_cast<std::int64_t>(multipliers.size()) - 1);
  }
  /// Codes of a picture.
  std::int64_t tokens() const { return side() * side(); }
};
/// Reads vq_config with ChameleonVQVAEConfig's defaults.
Result<CodeTowerOptions> read_code_tower(const Json& config, const std::string& where);

class CodeTower : public torch::nn::Module {
 public:
  CodeTower(const CodeTowerOptions& options, const torch::TensorOptions& tensors);
  /// pixel_values [pictures, 3, height, width] → which codes, [pictures · places] int64. No graph.
  torch::Tensor forward(const torch::Tensor& pixels);
  torch::ScalarType dtype() const;

 private:
  class Encoder;
  class Conv;

  CodeTowerOptions options_;
  std::shared_ptr<Encoder> encoder_;
  std::shared_ptr<Conv> quant_conv_, post_quant_conv_;
  Embedding table_{nullptr};
};

}  // namespace luthier
