// SPDX-License-Identifier: GPL-3.0-or-later
// EVE's patch embedding layer (Diao et al. 2024, the authors' VisionTokenizer): patches by one
// product, each square of them pooled and made again from its own patches by attention, a class
// token that all of a picture's squares are seen by, and a token that ends each row of them. No
// layers, no positions: what a tower does is left to the language model.
#pragma once

#include <vector>

#include "engine/models/cost.h"
#include "engine/models/model_input.h"
#include "engine/nn/layers.h"
#include "engine/nn/patch_product.h"

namespace luthier::eve {

struct TokenizerSizes {
  std::int64_t width = 1024;       ///< mm_hidden_size
  std::int64_t patch_stride = 14;  ///< pixels along a patch
  std::int64_t conv_stride = 2;    ///< patches along a square that becomes one state

  std::int64_t patch_values() const { return 3 * patch_stride * patch_stride; }
  std::int64_t square() const { return conv_stride * conv_stride; }
};

/// Attention's heads, which no file names.
inline constexpr std::int64_t kHeads = 8;

/// A picture's squares, by the grid of its patches.
struct Squares {
  std::int64_t rows = 0, columns = 0;

  std::int64_t count() const { return rows * columns; }
  /// The class token, and each row with what ends it.
  std::int64_t tokens() const { return 1 + rows * (columns + 1); }
};
/// `grid` is {1, rows, columns} of patches; throws where it does not divide into squares.
Squares squares_of(const std::vector<std::int64_t>& grid, std::int64_t conv_stride);

/// What asks and what is asked: a norm and a product each, and a product of what comes out.
class PooledAttention;

class VisionTokenizer : public ParameterModule {
 public:
  VisionTokenizer(const TokenizerSizes& sizes, const torch::TensorOptions& tensors);
  /// patches [patches of all pictures, 3 · patch · patch], picture after picture and square after
  /// square → [tokens of all pictures, width].
  torch::Tensor forward(const torch::Tensor& patches, const std::vector<PictureFacts>& pictures);
  std::string type_name() const override { return "Parameter"; }
  /// The authors draw both tokens from N(0, 1).
  torch::Tensor first_value(const std::string& name, const at::Generator& generator) const override;
  /// Of so many patches; `apart`: they were taken out of pixel_values, as a copy.
  TowerCost cost(const Pass& pass, std::int64_t patches, bool apart) const;

 private:
  TokenizerSizes sizes_;
  std::shared_ptr<PatchProduct> patch_embedding_;
  torch::Tensor class_embedding_, split_embedding_;
  std::shared_ptr<PooledAttention> local_, global_;
};

}  // namespace luthier::eve
