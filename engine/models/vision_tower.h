// SPDX-License-Identifier: GPL-3.0-or-later
// The picture tower of CLIP (Radford et al. 2021) and SigLIP (Zhai et al. 2023): a pre-norm vision
// transformer over square patches. Options tell them apart: a class token and a norm before the
// layers, a bias on the patches, a pooling head that language models do not use but whose tensors
// belong to the checkpoint, positions by fraction (Idefics3).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/models/vision_parts.h"
#include "engine/nn/patch_port.h"

namespace luthier {

struct VisionTowerOptions : VisionSizes {
  bool class_embedding = true;         ///< CLIP
  bool pre_norm = true;                ///< CLIP ("pre_layrnorm", spelt so in the checkpoints)
  bool patch_bias = false;             ///< SigLIP
  bool pooling_head = false;           ///< SigLIP
  bool positions_by_fraction = false;  ///< Idefics3: frames of any size, their patches' positions
                                       ///< by the fraction of the side
  bool stretches = false;  ///< CLIPSeg: frames of any size, to whose patches the table is stretched

  std::int64_t tokens() const { return patches() + (class_embedding ? 1 : 0); }
};
/// Reads vision_config (clip_vision_model or siglip_vision_model) with its configuration class's
/// defaults.
Result<VisionTowerOptions> read_vision_tower_options(const Json& vision_config,
                                                     const std::string& where);
/// Idefics3's and SmolVLM's vision_config, whatever model_type it names.
Result<VisionTowerOptions> read_idefics3_tower_options(const Json& vision_config,
                                                       const std::string& where);

class VisionTowerImpl : public torch::nn::Module, public PatchPort {
 public:
  VisionTowerImpl(const VisionTowerOptions& options, const torch::TensorOptions& tensors);
  /// pixel_values [images, 3, height, width] → hidden states after the layers in `which` (0 = what
  /// enters the first layer, n = after the n-th; negative counts from the end), each [images,
  /// tokens, hidden]. Layers above the highest one asked for do not run.
  std::vector<torch::Tensor> forward(const torch::Tensor& pixel_values,
                                     const std::vector<std::int64_t>& which);

  /// The last layer's states after post_layernorm, as SigLIP's last_hidden_state: [images, tokens,
  /// hidden].
  torch::Tensor last_hidden_state(const torch::Tensor& pixel_values);

  /// Of so many patches (class tokens are some) through the first `layers` layers, and through
  /// post_layernorm where `normed`.
  TowerCost cost(const Pass& pass, std::int64_t patches, std::int64_t layers, bool normed) const;

  /// The class token's state after the last layer and post_layernorm, as CLIP's pooled output:
  /// [images, hidden].
  torch::Tensor pooled(const torch::Tensor& pixel_values);
  /// The same of the last layer's states, where those are there: [images, tokens, hidden].
  torch::Tensor pooled_of(const torch::Tensor& states);
  TowerCost pooled_cost(const Pass& pass) const;

  const VisionTowerOptions options;

 private:
  /// `normed`: rows that go through post_layernorm, if any do.
  TowerCost cost_of(const Pass& pass, std::int64_t patches, std::int64_t layers,
                    std::optional<std::int64_t> normed) const;

  class Layer;
  class Embeddings;
  std::shared_ptr<Embeddings> embeddings_;
  std::vector<std::shared_ptr<Layer>> layers_;
  LayerNorm pre_norm_{nullptr}, post_norm_{nullptr};
  std::shared_ptr<torch::nn::Module> head_;  ///< null: there is none
};
TORCH_MODULE(VisionTower);

/// What LLaVA's kin take from the tower: the states after the layers in `which` side by side,
/// without the class token where `drop_first`: [images, tokens, hidden · layers].
torch::Tensor selected_features(VisionTower& tower, const torch::Tensor& pixel_values,
                                const std::vector<std::int64_t>& which, bool drop_first);

}  // namespace luthier
