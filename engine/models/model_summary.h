// SPDX-License-Identifier: GPL-3.0-or-later
// What can be known of a checkpoint without loading its weights: the module tree with shapes and
// dtypes, parameters per part, and the few sizes that the forecast needs. Made from config.json and
// the safetensors headers on the meta device, in milliseconds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/json.h"
#include "engine/vision/image_processor.h"

namespace luthier {

class ModelCost;  // models/cost.h

/// The type of a row that is no module: a tensor that the model itself holds.
inline constexpr const char* kOwnTensor = "Tensor";

/// One parameterised module of the tree, e.g. {"model.language_model.layers.0.self_attn.q_proj",
/// "Linear", [512, 512], "F16", 262144, "language_model"}.
struct ModuleSummary {
  std::string name;  ///< transformers 5.17's in-memory name
  std::string type;  ///< Linear | Embedding | RMSNorm | LayerNorm | Conv2d | Parameter | Tensor
  std::vector<std::int64_t> shape;  ///< of its weight
  std::string dtype;  ///< of its weight as stored: F16, BF16, F32, or a packed kind's name
  std::int64_t parameters = 0;  ///< weight and bias
  std::string part;             ///< vision_tower, projector, language_model, by the model
  std::int64_t bias = 0;        ///< numbers of its bias; 0: it has none
  bool stays_plain = false;     ///< a Linear that is not packed (nn/plain_linear)
};

/// A branch of a layer (its attention or its feed-forward) that a plug may hang on.
struct BranchSummary {
  std::string name;        ///< in-memory name of the module
  std::string kind;        ///< attention | feed_forward
  std::int64_t width = 0;  ///< of the states that it is added to
};

/// What takes image_tokens where a picture becomes tiles: each of them, the picture however many
/// they are, or neither, since more than their number decides (padding that is cut out, a whole of
/// another size).
enum class TileTokens { OfEachTile, OfThePicture, Varying };

/// The sizes that are shown, that loading checks the processor by, and that what hangs on the whole
/// model is made for. What a step costs is asked of the modules (models/cost.h).
struct ModelGeometry {
  std::int64_t vocab_size = 0, hidden_size = 0, num_hidden_layers = 0;
  std::int64_t num_attention_heads = 0, num_key_value_heads = 0, head_dim = 0;
  std::int64_t vision_hidden_size = 0, vision_layers = 0, vision_heads = 0;
  std::int64_t vision_tokens = 0;      ///< tokens inside the tower for one picture
  std::int64_t image_tokens = 0;       ///< tokens one picture takes in the text
  std::int64_t patches_per_token = 1;  ///< of the tower, that are folded into one token
  std::int64_t image_height = 0, image_width = 0;
  bool tied_embeddings = false;
  TileTokens tile_tokens = TileTokens::OfEachTile;
};

/// How the model takes pictures, for who shows it without loading it.
struct PictureSummary {
  ProcessorDefaults defaults;  ///< of the picture processor, by the family
  bool films = false;          ///< it takes films too
};

struct ModelSummary {
  std::filesystem::path folder;
  std::string model_type;
  std::string dtype;  ///< of most stored parameters
  std::int64_t parameters = 0;
  std::uint64_t file_bytes = 0;
  std::vector<std::pair<std::string, std::int64_t>> parts;
  std::vector<ModuleSummary> modules;
  std::vector<BranchSummary> branches;
  std::string head;  ///< the module that makes logits; empty: there is none
  std::vector<std::string> files;
  ModelGeometry geometry;
  std::shared_ptr<const ModelCost> cost;   ///< null: the model cannot say what a step costs
  std::optional<PictureSummary> pictures;  ///< none: the model reads text alone
  Json quantization;                       ///< settings of its packed weights, where it has some
};

Result<ModelSummary> summarize_model(const std::filesystem::path& folder);

/// The document of `info --json`.
Json to_json(const ModelSummary& summary);

}  // namespace luthier
