// SPDX-License-Identifier: GPL-3.0-or-later
// A checkpoint folder in memory: the model, what turns rows into its inputs, and what must be
// written back with the weights.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/device/device.h"
#include "engine/io/safetensors.h"
#include "engine/models/answer_rules.h"
#include "engine/models/draw_weights.h"
#include "engine/models/family.h"

namespace luthier {

/// Everything that goes with the weights.
struct LoadedModel {
  std::filesystem::path folder;
  const Family* family = nullptr;
  Json config;
  std::shared_ptr<Model> model;
  std::shared_ptr<const ChatProcessor> processor;
  std::vector<TokenId> eos_ids;  ///< generation_config.json's eos_token_id, else the text config's,
                                 ///< else the tokenizer's
  AnswerRules answer_rules;      ///< the checkpoint's own, for whoever asks
  std::string stored_dtype;      ///< of most parameters: F16, BF16, F32
  bool drawn = false;            ///< its weights are random and stand in no file
  Draws draws;                   ///< of those, what the model does not hold
  MediaLimits pixels;            ///< that `processor` works by, in place of the folder's own
  Json quantization;             ///< settings of its packed weights; null: it has none
};

struct LoadOptions {
  std::string device = "auto",
              dtype = "auto";   ///< as the recipe's training.device and training.dtype
  bool random_weights = false;  ///< build from config.json and draw weights (HF's normal(0,
                                ///< initializer_range)), seeded
  std::uint64_t seed = 42;
  MediaLimits pixels;
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
                                                            const MediaLimits& limits);
/// The loaded model's processor under other pixel limits; the very same one where they are those it
/// has.
Result<std::shared_ptr<const ChatProcessor>> processor_for(const LoadedModel& loaded,
                                                           const MediaLimits& limits);

/// Writes a whole checkpoint folder that transformers loads: config.json, model.safetensors
/// in 5.17's stored names, and all that the source folder holds beside its weights, with the pixel
/// limits that it was loaded under in the picture processor's file. `dtype`: what to store as.
/// `masters`: tensors to store in place of the model's own, by their names in memory. What has none
/// and is still as it was loaded is stored in the digits of the source folder, or that it was drawn
/// with, where the model is narrower (models/wider_weights.h).
Status save_model(const LoadedModel& loaded, const std::filesystem::path& folder,
                  torch::ScalarType dtype,
                  const std::map<std::string, torch::Tensor>& masters = {});

}  // namespace luthier
