// SPDX-License-Identifier: GPL-3.0-or-later
// What the picture towers have in common: sizes read from vision_config, patches, attention within
// a frame, the two-layer MLP, and the folding of neighbouring patches into one.
#pragma once

#include <cstdint>
#include <string>

#include "engine/base/result.h"
#include "engine/io/json.h"
#include "engine/models/cost.h"
#include "engine/nn/layers.h"
#include "engine/nn/linear.h"
#include "engine/nn/patch_product.h"
#include "engine/nn/plugs.h"

namespace luthier {

struct VisionSizes {
  std::int64_t hidden_size = 768, intermediate_size = 3072, num_hidden_layers = 12,
               num_attention_heads = 12, num_channels = 3;
  std::int64_t image_height = 224, image_width = 224, patch_size = 32;
  double layer_norm_eps = 1e-5, initializer_range = 0.02;
  Activation hidden_act = Activation::QuickGelu;

  std::int64_t patch_rows() const { return image_height / patch_size; }
  std::int64_t patch_columns() const { return image_width / patch_size; }
  std::int64_t patches() const { return patch_rows() * patch_columns(); }
};
/// Reads the fields of a vision_config; what `sizes` holds is the default where a key is absent.
/// Every size is checked.
Status read_vision_sizes(const Json& vision_config, const std::string& where, VisionSizes& sizes);

/// Square patches: weight [hidden, channels, patch, patch] and bias as Conv2d has them.
class PatchConvolution : public PatchProduct {
 public:
  PatchConvolution(const VisionSizes& sizes, bool bias, const torch::TensorOptions& tensors);
  /// [frames, channels, height, width] → [frames, patches, hidden], row by row; a rest smaller than
  /// a patch is left out.
  torch::Tensor forward(const torch::Tensor& pixels) const;
  std::string type_name() const override { return "Conv2d"; }

 private:
  std::int64_t stride_;
};

/// fc1, activation, fc2.
class VisionMlp : public torch::nn::Module, public BranchPort {
 public:
  VisionMlp(const VisionSizes& sizes, const torch::TensorOptions& tensors);
  torch::Tensor forward(const torch::Tensor& x);
  MlpCost cost(const StepTerms& terms, std::int64_t rows, bool flows) const;

 private:
  Activation activation_;
  Linear fc1_{nullptr}, fc2_{nullptr};
};

/// Attention of each frame's tokens to one another: q, k, v [frames, tokens, heads · size] → the
/// same.
torch::Tensor attend_frames(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v,
                            std::int64_t heads);

/// Rows of the position table for a frame of rows × columns patches, by what fraction of its side
/// each stands at, in the arithmetic of Idefics3VisionEmbeddings: the fractions are rounded to the
/// pixels' dtype, the borders of the table's `side` parts are float32.
torch::Tensor positions_by_fraction(std::int64_t rows, std::int64_t columns, std::int64_t side,
                                    torch::ScalarType dtype);

/// x [frames, rows · columns, width] → [frames, rows/side · columns/side, side² · width]: each
/// square of `side` patches into one, row by row, the features of its patches row by row
/// (Idefics3's and InternVL's pixel shuffle). `side` must divide both.
torch::Tensor fold_patches(const torch::Tensor& x, std::int64_t rows, std::int64_t columns,
                           std::int64_t side);

/// The parts of a pre-norm layer of a tower, as they answer one by one.
struct TowerLayerParts {
  TrainedShare share;
  bool flows = false;                            ///< a gradient is wanted below the layer
  std::int64_t state = 0;                        ///< bytes of what passes from layer to layer
  std::int64_t norm_before = 0, norm_after = 0;  ///< kept by the norm before either half
  AttentionBranchCost attention;
  MlpCost mlp;
  std::int64_t scales = 0;  ///< kept by learned scales of what the halves add
  std::int64_t turned = 0;  ///< temporaries of attention's backward for rotary positions
};
LayerCost tower_layer_cost(const TowerLayerParts& parts);

/// What a projector of one product or two keeps over so many features. `in`: what the first takes
/// of a feature; `between`: what it hands to the second; 0: there is one.
std::int64_t projector_kept(const StepTerms& terms, std::int64_t features, std::int64_t in,
                            std::int64_t between, const TrainedShare& first,
                            const TrainedShare& second);
/// And a norm before it.
std::int64_t projector_norm_kept(const StepTerms& terms, std::int64_t features, std::int64_t in);

}  // namespace luthier
