// SPDX-License-Identifier: GPL-3.0-or-later
// An adapter: a set of small trained tensors that hang on one resident base. Several stay attached;
// activating one sets pointers on the base's Linears and copies nothing. On disk it is what PEFT
// 0.21 writes and reads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/result.h"
#include "engine/config/recipe.h"
#include "engine/io/safetensors.h"
#include "engine/methods/module_selection.h"
#include "engine/models/vlm.h"

namespace luthier {

class Adapter {
 public:
  virtual ~Adapter() = default;

  /// All tensors that training changes, by PEFT's key without the adapter's name
  /// ("base_model.model.model.language_model.layers.0.self_attn.q_proj.lora_A.weight"), sorted by
  /// key. LoRA tensors are float32.
  virtual std::vector<std::pair<std::string, torch::Tensor>> tensors() const = 0;
  /// Puts this adapter on the base's modules (taking off any other) / takes it off.
  virtual void activate() = 0;
  virtual void deactivate() = 0;
  /// 1 = as trained; scales what the adapter adds.
  virtual void set_strength(double strength) = 0;
  /// Training: dropout on, its masks drawn from `seed` and the module's place, so that a recomputed
  /// layer draws the same. Off: seed is ignored.
  virtual void set_training(bool training, std::uint64_t seed) = 0;
  /// Adds scale·B·A to the base's weights in float32 and rounds once to their dtype; replaces saved
  /// modules. Leaves the adapter inactive. Where the head is tied and the adapter is on one of its
  /// two ends, untie_head comes first (merge.h does all of it).
  virtual void merge() = 0;
  /// Names of the wrapped modules and of the saved ones.
  virtual const AdapterSettings& settings() const = 0;
  /// Of the pictures that it was trained with, where it was read from a folder that says so.
  PixelLimits pixels;

  /// Writes adapter_config.json and adapter_model.safetensors into `folder` (which exists).
  Status save(const std::filesystem::path& folder,
              const std::string& base_model_name_or_path) const;
};

/// One row a method: PEFT's peft_type, how to make one for a recipe and how to read one.
struct AdapterMethod {
  const char* peft_type;
  Result<std::shared_ptr<Adapter>> (*create)(VisionLanguageModel& model,
                                             const AdapterSettings& settings, std::uint64_t seed);
  /// The adapter of a PEFT folder's tensor file, under settings that read_settings gave.
  Result<std::shared_ptr<Adapter>> (*load)(LoadedModel& base, const AdapterSettings& settings,
                                           const SafetensorsFile& file);
  Result<AdapterSettings> (*read_settings)(const Json& config, const std::string& where);
  Json (*write_settings)(const AdapterSettings& settings,
                         const std::string& base_model_name_or_path);
  /// Keys of a config that neither PEFT nor this reader knows: named in a warning when the folder
  /// is loaded.
  std::vector<std::string> (*unknown_fields)(const Json& config);
  /// What a folder's tensor file adapts, from its header alone.
  Result<ModuleSelection> (*selection)(const Family& family, const SafetensorsFile& file);
};
const std::vector<AdapterMethod>& adapter_methods();

/// A fresh adapter with seeded initial weights (PEFT's: A kaiming-uniform, B zero), not yet active.
Result<std::shared_ptr<Adapter>> create_adapter(VisionLanguageModel& model,
                                                const AdapterSettings& settings,
                                                std::uint64_t seed);
/// The settings that a run trains with: those of adapter.init_from's folder where the recipe names
/// one, else the recipe's own.
Result<AdapterSettings> settings_to_train(const Recipe& recipe);
/// What the recipe's adapter would be on, from names and shapes alone: what its selectors choose,
/// or what is in adapter.init_from's folder. Refuses what create_adapter would, in the same words,
/// before any weight is loaded.
Result<ModuleSelection> planned_selection(const ModelSummary& model, const Recipe& recipe);
/// The same for a recipe by itself, before its run: a model that cannot be described is left for
/// loading to refuse.
Status check_adapter_of(const Recipe& recipe);
/// Reads a PEFT folder (both generations of module names). Names or shapes that do not fit the base
/// are an Input error naming them.
Result<std::shared_ptr<Adapter>> load_adapter(LoadedModel& base,
                                              const std::filesystem::path& folder);

}  // namespace luthier
