// SPDX-License-Identifier: GPL-3.0-or-later
// Swin (Liu et al. 2021) as SwinModel of transformers 5.17: patches look within windows, which
// every second layer shifts by half, and four neighbouring places become one between stages. A
// picture's vector is the mean of the last states.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/models/pictures/picture_body.h"
#include "engine/nn/layers.h"

namespace luthier {

struct SwinOptions {
  std::int64_t image_height = 224, image_width = 224, patch = 4, embed_dim = 96, window = 7;
  std::vector<std::int64_t> depths{2, 2, 6, 2}, heads{3, 6, 12, 24};
  double mlp_ratio = 4, layer_norm_eps = 1e-5, initializer_range = 0.02;
  bool qkv_bias = true, absolute = false;  ///< absolute: a table of positions, of this size alone
  Activation activation = Activation::Gelu;

  std::int64_t width(std::size_t stage) const { return embed_dim << stage; }
  /// Of a frame's side: the last stage's map is as wide as a window.
  std::int64_t smallest_frame() const;
};

/// An Input error names `where` and the field.
Status read_swin_options(const Json& config, const std::string& where, SwinOptions& options);

/// What becomes of a layer's attention's result [maps, rows, columns, width]: the same shape.
using SwinBeside = std::function<torch::Tensor(const torch::Tensor& seen)>;

/// Pictures of one size.
struct SwinFrames {
  std::int64_t count = 0, height = 0, width = 0;
};
/// The map that a layer takes of a picture.
struct SwinMap {
  std::int64_t rows = 0, columns = 0, width = 0;
  std::int64_t heads = 0;  ///< of the layer's attention
  std::int64_t places() const { return rows * columns; }
};

/// Names of the layers' tensors in memory, by those that transformers stores, and the other way.
std::string swin_memory_name(std::string stored);
std::string swin_stored_name(std::string memory);

class SwinLayer;

class SwinBody : public PictureBody {
 public:
  SwinBody(const SwinOptions& options, const torch::TensorOptions& tensors);

  // The way in pieces, for who does something between. Layers count through all stages, and behind
  // a stage's last one stands what makes the next stage's map.
  std::int64_t layers() const;
  /// So many of the model's own size.
  SwinFrames own_frames(std::int64_t count) const {
    return {count, options_.image_height, options_.image_width};
  }
  SwinMap map_of(std::int64_t layer, const SwinFrames& frames) const;
  /// pixels [maps, 3, height, width] → [maps, rows, columns, width], what the first layer takes.
  torch::Tensor begin(const torch::Tensor& pixels) const;
  torch::Tensor through(torch::Tensor x, std::int64_t from, std::int64_t to) const;
  const SwinLayer& layer(std::int64_t layer) const;
  /// What stands behind a layer, where something does.
  torch::Tensor merged(const torch::Tensor& x, std::int64_t layer) const;
  torch::Tensor normed(const torch::Tensor& x) const { return norm_->forward(x); }

  // Costs of the same, each behind what `cost` has.
  void add_beginning(const StepTerms& terms, const SwinFrames& frames, TowerCost& cost) const;
  void add_layers(const StepTerms& terms, const SwinFrames& frames, std::int64_t from,
                  std::int64_t to, TowerCost& cost) const;
  void add_merging(const StepTerms& terms, const SwinFrames& frames, std::int64_t layer,
                   TowerCost& cost) const;
  void add_norm(const StepTerms& terms, const SwinFrames& frames, TowerCost& cost) const;
  /// What trains of the norm at the end.
  TrainedShare of_norm(const StepTerms& terms) const { return terms.of(*norm_); }

  torch::Tensor vectors(const torch::Tensor& pixels) override;
  PictureStates states_of(const torch::Tensor& pixels) override;
  std::int64_t width() const override { return options_.width(options_.depths.size() - 1); }
  TowerCost cost(const Pass& pass) const override;
  ModelGeometry geometry() const override;

 private:
  class Embeddings;
  class Merging;
  SwinOptions options_;
  std::shared_ptr<Embeddings> embeddings_;
  /// A stage's layers, and what makes the next one's map of them, if there is one.
  struct Stage;
  std::vector<std::shared_ptr<Stage>> stages_;
  /// A layer's stage, and its place there.
  std::pair<std::size_t, std::size_t> place_of(std::int64_t layer) const;
  LayerNorm norm_{nullptr};
};

}  // namespace luthier
