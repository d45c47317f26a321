// SPDX-License-Identifier: GPL-3.0-or-later
// What every vision-language model is to the rest of the engine: pictures through a tower and a
// projector into the place of their tokens, a causal decoder, a head. The head is applied by who
// needs it (the loss only where labels are, decoding only at the end).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/data/processor.h"
#include "engine/device/device.h"
#include "engine/io/json.h"
#include "engine/io/safetensors.h"
#include "engine/models/decoder.h"
#include "engine/models/model_summary.h"

namespace luthier {

/// What the batch knows of one picture besides its values.
struct PictureFacts {
  std::int64_t rows = 0;           ///< of pixel_values: 1, tiles or patches
  std::vector<std::int64_t> grid;  ///< as its processor gave it
};

/// A batch as a model takes it: the tokens of all rows one after another, without padding.
struct ModelInput {
  torch::Tensor input_ids;                   ///< [tokens] int64
  std::vector<std::int64_t> lengths;         ///< of each row
  std::vector<std::int64_t> prompt_lengths;  ///< tokens of each row before its answer; empty: not
                                             ///< known (decoding goes on from a cache)
  torch::Tensor pixel_values;    ///< [rows of all pictures, ...] float32, as the family's processor
                                 ///< lays it out; undefined: no pictures
  torch::Tensor tower_features;  ///< what tower() gave for these pictures earlier: used instead of
                                 ///< pixel_values when defined
  std::vector<PictureFacts> pictures;  ///< of all rows, in their order
  torch::Tensor labels;                ///< [tokens] int64 with kIgnoreLabel, or undefined
};

/// Lays examples one after another (on the CPU).
ModelInput collate(const std::vector<Example>& examples);
/// Moves what the model reads to its device.
ModelInput to_device(const ModelInput& input, torch::Device device);

class VisionLanguageModel : public torch::nn::Module {
 public:
  /// The frozen part of a picture's way: [features of all pictures, vision width], before the
  /// projector. Depends on nothing but pixels, grids and tower.
  virtual torch::Tensor tower(const ModelInput& input) = 0;
  /// Token embeddings with the pictures' projected features in their places, and what the decoder
  /// needs to know of them. The number of image tokens must fit (an exception otherwise: callers
  /// build inputs through ChatProcessor, which guarantees it).
  virtual TokenSequence embed(const ModelInput& input) = 0;
  /// → [tokens, hidden] after the final norm. With a cache, the sequence continues what the cache
  /// holds.
  virtual torch::Tensor decode(const TokenSequence& sequence, KeyValueCache* cache) = 0;
  /// Output projection [.., hidden] → [.., vocab].
  virtual Linear head() = 0;

  virtual std::int64_t num_hidden_layers() const = 0;
  virtual ModelGeometry geometry() const = 0;
  /// Recompute each decoder layer in the backward instead of keeping its activations.
  void set_gradient_checkpointing(bool on) { gradient_checkpointing_ = on; }
  bool gradient_checkpointing() const { return gradient_checkpointing_; }

  torch::Device device() const;
  torch::ScalarType dtype() const;

 protected:
  bool gradient_checkpointing_ = false;
};

/// `features` [image tokens, hidden] into the embeddings' places of `image_token`; the places too
/// ([image tokens] int64).
torch::Tensor place_features(const torch::Tensor& embeddings, const torch::Tensor& input_ids,
                             TokenId image_token, const torch::Tensor& features,
                             torch::Tensor* places = nullptr);

/// "vision_tower" | "projector" | "language_model" (the head belongs to it), from a parameter's
/// in-memory name.
std::string part_of(const std::string& name);

/// A family: a row of this table, nothing else to touch elsewhere.
struct Family {
  const char* model_type;
  /// Reads config.json (already parsed; `where` names it) and builds the modules with uninitialised
  /// tensors of these options (device may be meta).
  Result<std::shared_ptr<VisionLanguageModel>> (*build)(const Json& config,
                                                        const std::string& where,
                                                        const torch::TensorOptions& options);
  /// Any known stored name → our (transformers 5.17's) in-memory name.
  std::string (*memory_name)(const std::string& stored);
  /// In-memory name → what transformers 5.17's save_pretrained writes.
  std::string (*stored_name)(const std::string& memory);
  /// How pictures are written into the text: the folder's processor settings, else the model's
  /// config.
  Result<ImageTokens> (*image_tokens)(const Json& config, const std::filesystem::path& folder);
  Result<TokenId> (*image_token_id)(const Json& config, const std::string& where);
  /// pixel_values in the layout of the family's transformers processor, from the batch's; null: as
  /// they are.
  torch::Tensor (*processor_layout)(const ModelInput& input) = nullptr;
};
const std::vector<Family>& families();
/// Input error naming config.json: model_type and the types there are.
Result<const Family*> find_family(const Json& config, const std::string& where);

/// A loaded checkpoint: everything that goes with the weights.
struct LoadedModel {
  std::filesystem::path folder;
  const Family* family = nullptr;
  Json config;
  std::shared_ptr<VisionLanguageModel> model;
  std::shared_ptr<const ChatProcessor> processor;
  std::vector<TokenId> eos_ids;  ///< generation_config.json's eos_token_id, else the text config's,
                                 ///< else the tokenizer's
  std::string stored_dtype;      ///< of most parameters: F16, BF16, F32
  PixelLimits pixels;            ///< that `processor` works by, in place of the folder's own
  Json quantization;             ///< settings of its packed weights; null: it has none
};

struct LoadOptions {
  std::string device = "auto",
              dtype = "auto";   ///< as the recipe's training.device and training.dtype
  bool random_weights = false;  ///< build from config.json and draw weights (HF's normal(0,
                                ///< initializer_range)), seeded
  std::uint64_t seed = 42;
  PixelLimits pixels;
  /// Linears are packed while they are loaded: settings in the words of a checkpoint's
  /// quantization_config (io/weight_kinds.h); null: they stay as they are stored.
  Json quantization = {};
  /// Called between pieces with the share of the weights that has been read; false ends the loading
  /// (Interrupted).
  std::function<bool(double share)> go_on = {};
};

/// Loads config, tokenizer, processor and weights of a folder. Missing, unexpected-shape or
/// unreadable tensors are Input errors that name file and tensor. Memory: each tensor is cast
/// straight into its place; never two copies.
Result<LoadedModel> load_model(const std::filesystem::path& folder,
                               const LoadOptions& options = {});

/// Tokenizer, template and picture processor of a checkpoint folder alone: what data needs of a
/// model.
Result<std::shared_ptr<const ChatProcessor>> load_processor(const std::filesystem::path& folder,
                                                            const PixelLimits& limits);
/// The loaded model's processor under other pixel limits; the very same one where they are those it
/// has.
Result<std::shared_ptr<const ChatProcessor>> processor_for(const LoadedModel& loaded,
                                                           const PixelLimits& limits);

/// Writes a whole checkpoint folder that transformers loads: config.json, model.safetensors
/// in 5.17's stored names, and all that the source folder holds beside its weights, with the pixel
/// limits that it was loaded under in the picture processor's file. `dtype`: what to store as.
Status save_model(const LoadedModel& loaded, const std::filesystem::path& folder,
                  torch::ScalarType dtype);

}  // namespace luthier
