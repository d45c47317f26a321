// SPDX-License-Identifier: GPL-3.0-or-later
// Llama 3.2 Vision's picture tower as MllamaVisionModel of transformers 5.17: a picture is a frame
// of tiles, filled up with empty ones, whose tokens see one another. A place for a tile in its
// arrangement is learned, and how far it is added, too; layers of a second kind are opened by
// learned numbers. What is handed on is the last state beside some before it.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "engine/models/cost.h"
#include "engine/models/model_input.h"
#include "engine/models/vision_parts.h"
#include "engine/nn/patch_port.h"
#include "engine/nn/rows.h"

namespace luthier {

class MllamaTowerLayer;

struct MllamaVisionOptions : VisionSizes {
  std::int64_t global_layers = 8, tiles = 4;
  std::int64_t arrangements = 8;                       ///< that there are places for
  std::vector<std::int64_t> chosen{3, 7, 15, 23, 30};  ///< layers whose states are handed on

  std::int64_t tile_tokens() const { return patches() + 1; }
  /// transformers fills a tile up to a multiple of 8, and those tokens are seen.
  std::int64_t padded_tokens() const { return (tile_tokens() + 7) / 8 * 8; }
  std::int64_t width() const {
    return hidden_size * (1 + static_cast<std::int64_t>(chosen.size()));
  }
};
/// Reads vision_config with MllamaVisionConfig's defaults.
Result<MllamaVisionOptions> read_mllama_vision(const Json& config, const std::string& where);

/// The arrangements of up to `tiles` tiles, rows and columns, in the order that they are numbered
/// in, from 1 on.
std::vector<std::pair<std::int64_t, std::int64_t>> tile_arrangements(std::int64_t tiles);

class MllamaTower : public ParameterModule, public PatchPort {
 public:
  MllamaTower(const MllamaVisionOptions& options, const torch::TensorOptions& tensors);
  /// pixel_values [pictures · tiles, 3, height, width] → [pictures · tiles · tokens of a tile,
  /// width]. `input.aside` may hold what prepare() has put there.
  torch::Tensor forward(const ModelInput& input);
  /// Makes on the host what forward() needs to know of the pictures' arrangements.
  void prepare(ModelInput& input) const;
  TowerCost cost(const Pass& pass) const;
  std::string type_name() const override { return "Parameter"; }

 private:
  class Encoder;
  class Positions;
  class TilePlaces;
  /// Of a picture's tokens those of tiles that show something come first: the rest sees them alone.
  struct Frames {
    std::vector<std::int64_t> shown;  ///< tokens, one a picture
    std::int64_t all = 0;             ///< of any picture
  };
  struct Tables {
    torch::Tensor arrangements;  ///< [pictures] int64
    torch::Tensor there, back;   ///< into that order, and out of it
    torch::Tensor kept;          ///< of it what is no filler, as the tiles come
  };
  Frames frames(const std::vector<PictureFacts>& pictures) const;
  Tables tables(const std::vector<PictureFacts>& pictures) const;
  torch::Tensor entered(const torch::Tensor& pixels, const torch::Tensor& arrangements);
  void add_waiting(TowerCost& cost, std::size_t layer, std::int64_t state) const;

  const MllamaVisionOptions options_;
  torch::Tensor class_embedding_;  // [hidden]
  std::shared_ptr<PatchConvolution> patch_embedding_;
  std::shared_ptr<Positions> positions_;
  std::shared_ptr<TilePlaces> before_, between_;
  LayerNorm layernorm_pre_{nullptr}, layernorm_post_{nullptr};
  std::vector<std::shared_ptr<MllamaTowerLayer>> layers_, global_layers_;
};

}  // namespace luthier
