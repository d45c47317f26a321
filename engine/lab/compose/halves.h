// SPDX-License-Identifier: GPL-3.0-or-later
// The two halves that a composition is made of: a picture tower and a language model, each from a
// checkpoint's folder (of which headers and settings alone are read here) or small and drawn.
// Internal to the composer.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/io/safetensors.h"
#include "engine/models/family.h"
#include "engine/models/vision_parts.h"

namespace luthier {

/// By the names and the order of what is in a layer.
enum class TowerKind {
  Clip,    ///< a class token, a norm before the layers
  Siglip,  ///< no class token, a pooling head
  Blip,    ///< a class token, queries, keys and values one product
  Vit      ///< the same as three
};

struct TowerHalf {
  std::filesystem::path folder;  ///< empty: drawn
  TowerKind kind = TowerKind::Clip;
  std::string type;  ///< model_type of its vision config
  VisionSizes sizes;
  bool qkv_bias = true, pooling_head = false;
  Json picture;        ///< image_mean and the like, as its picture processor has them
  std::string prefix;  ///< of its tensors' names
  /// Of a CLIP that was saved with it, the product that makes the picture's vector of it: as it is
  /// stored, and how many numbers it makes.
  std::string projection = {};
  std::int64_t projection_dim = 0;
  Json first_stage;  ///< config.json of what BLIP-2's first stage left (Blip2ForImageText-
                     ///< Retrieval), where this is its tower; else null
  std::optional<CheckpointFiles> files;

  /// Tokens inside it, with the class token.
  std::int64_t tokens() const { return sizes.patches() + (kind == TowerKind::Siglip ? 0 : 1); }
  /// The stored names, one below the other, of what is `name` within the tower in memory (a ViT's
  /// as BLIP's tower has it).
  std::vector<std::string> stored(const std::string& name) const;
};

/// `given`: a folder, or kSmallHalf, which is then of `small`'s kind.
Result<TowerHalf> read_tower_half(const std::string& given, TowerKind small);

struct LanguageSource {
  std::filesystem::path folder;     ///< empty: drawn
  std::filesystem::path tokenizer;  ///< the folder that has it
  Json config;                      ///< as a text_config
  std::string type;                 ///< model_type
  std::int64_t vocab_size = 0, hidden_size = 0, layers = 0, positions = 0;
  bool tied = false;
  std::string dtype = "F32";  ///< of most tensors
  const Family* family = nullptr;
  std::optional<CheckpointFiles> files;
  std::map<std::string, std::string> names = {};  ///< in memory → stored
  std::vector<std::string> parameters = {};       ///< of its model, in memory
};

/// `given`: a folder, or kSmallHalf, which is then a model of type `small`; empty: the teaching
/// model's own.
Result<LanguageSource> read_language_half(const std::string& given, const std::string& small = {});

/// "clip_vision_model, 24 layers of 1,024" and "llama, 32 layers of 4,096".
std::string described(const TowerHalf& tower);
std::string described(const LanguageSource& language);
/// "12,345".
std::string with_commas(std::int64_t number);

}  // namespace luthier
