// SPDX-License-Identifier: GPL-3.0-or-later
// Gemma 4's picture tower as Gemma4VisionModel of transformers 5.17: pictures of any size as runs
// of patches that see those of their own picture, placed by a table for columns and one for rows,
// turned by column in one half of a head and by row in the other; norms before and after both
// halves of a layer; squares of patches pooled into one feature.
#pragma once

#include <memory>
#include <vector>

#include "engine/models/cost.h"
#include "engine/models/model_input.h"
#include "engine/models/qwen_vl/qwen_layout.h"
#include "engine/nn/layers.h"
#include "engine/nn/patch_port.h"
#include "engine/nn/rotary.h"

namespace luthier {

struct Gemma4VisionOptions {
  std::int64_t hidden_size = 768, intermediate_size = 3072, num_hidden_layers = 16,
               num_attention_heads = 12, num_key_value_heads = 12, head_dim = 64, patch_size = 16;
  std::int64_t pooling = 3;        ///< a square of so many patches a side becomes one feature
  std::int64_t positions = 10240;  ///< rows, and columns, that there are places for
  double rms_norm_eps = 1e-6, theta = 100;
  Activation hidden_act = Activation::GeluTanh;
  bool clips = false;         ///< products stay within bounds of their own
  bool standardizes = false;  ///< features are shifted and scaled by what the files say

  std::int64_t patch_values() const { return 3 * patch_size * patch_size; }
  std::int64_t block() const { return pooling * pooling; }
};
/// Reads vision_config with Gemma4VisionConfig's defaults.
Result<Gemma4VisionOptions> read_gemma4_vision(const Json& config, const std::string& where);

class Gemma4Tower : public ParameterModule, public PatchPort {
 public:
  Gemma4Tower(const Gemma4VisionOptions& options, const torch::TensorOptions& tensors);
  /// pixel_values [patches, 3·patch·patch] in 0 to 1, block after block → [patches / block,
  /// hidden]. `input.aside` may hold what prepare() has put there.
  torch::Tensor forward(const ModelInput& input);
  /// Makes on the host what forward() needs to know of the pictures' grids.
  void prepare(ModelInput& input) const;
  TowerCost cost(const Pass& pass) const;
  std::string type_name() const override { return "Parameter"; }

 private:
  class PatchEmbedder;
  class Encoder;
  class Layer;
  struct Tables {
    torch::Tensor places;  ///< [patches, 2] int64: column and row, into both tables as one
    torch::Tensor angles;  ///< [patches, head_dim / 2] float32
  };
  Tables tables(const std::vector<QwenGrid>& grids) const;
  torch::Tensor pooled(const torch::Tensor& states) const;

  Gemma4VisionOptions options_;
  std::shared_ptr<PatchEmbedder> patch_embedder_;
  std::vector<std::shared_ptr<Layer>> layers_;
  torch::Tensor std_bias_, std_scale_;
};

/// Rows of tables that lie one below the other, of [.., .., width]: `places` [patches, 2] int64 →
/// [patches, 2, width]. The gradient adds up in float32, as Embedding's does.
torch::Tensor looked_up(const torch::Tensor& tables, const torch::Tensor& places);

/// Of pictures as Gemma 4's processor gives them.
std::vector<QwenGrid> gemma4_grids(const std::vector<PictureFacts>& pictures);

}  // namespace luthier
