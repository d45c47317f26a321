// SPDX-License-Identifier: GPL-3.0-or-later
// A method: a way to train, one row of one table. Two of them (full, freeze) change the base's own
// weights; the others hang plugs on it. A row says in its torch-free half what its files hold, what
// it can hang on and how large its tensors are; in its tensor half how the plugs are made. Whoever
// trains, forecasts, loads or merges asks the row and knows no method by name.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/config/kinds.h"
#include "engine/io/json.h"
#include "engine/io/safetensors.h"
#include "engine/methods/adapter.h"
#include "engine/methods/module_selection.h"
#include "engine/methods/ports.h"
#include "engine/methods/setting_fields.h"
#include "engine/models/loaded_model.h"

namespace luthier {

struct CombinedAdapter;  // methods/arithmetic/combine.h
struct CombineOptions;
struct StoredAdapter;

/// A tensor that one module gets.
struct TensorSize {
  std::string suffix;  ///< of its key, behind the module's name: ".lora_A.weight"
  std::vector<std::int64_t> shape;
  bool trains = true;  ///< false: it is in the file and stays as it started

  std::int64_t elements() const;
};

/// A module on its way to a plug.
struct ModuleToHang {
  const ModelModule& module;
  const ModuleScale& scale;
  const AdapterSettings& settings;
  std::uint64_t place;                       ///< among the Linears that have a plug
  bool fresh = false;                        ///< its tensors are `draw`'s; else a file's
  const std::vector<torch::Tensor>& shared;  ///< what SharedTensors made, on the model's device
};

/// Tensors that all plugs of an adapter have together, and that do not train.
struct SharedTensors {
  std::vector<std::string> keys;  ///< in the file, whole
  std::vector<std::vector<std::int64_t>> (*sizes)(const std::vector<const ModelModule*>& wrapped,
                                                  const AdapterSettings& settings);
  /// As they are where no file says them, on the CPU.
  std::vector<torch::Tensor> (*make)(const std::vector<const ModelModule*>& wrapped,
                                     const AdapterSettings& settings);
  bool (*in_file)(const AdapterSettings& settings);  ///< whether the adapter's file holds them
};

/// Of a method that hangs a plug on each of some modules: the settings say on which.
struct ModuleMethod {
  Wrapping wrapping;
  /// The suffixes of all keys, so that a file's tensors can be told from those of saved modules.
  std::vector<std::string> suffixes;
  /// In the order in which `draw` and `hang` take the tensors.
  std::vector<TensorSize> (*sizes)(const ModelModule& module, const ModuleScale& scale,
                                   const AdapterSettings& settings);
  /// What the plug keeps of a step besides its input, from what it trains (`share.parameters`);
  /// null: nothing.
  void (*keep)(TrainedShare& share, const ModelModule& module, const ModuleScale& scale,
               const AdapterSettings& settings) = nullptr;
  /// What of a file's tensors does not fit, said in the method's words; null: their shapes are
  /// compared. `views` stand as `sizes` does, none where the file lacks one.
  Status (*check)(const ModuleToHang& to, const std::vector<std::optional<TensorView>>& views,
                  const std::string& place) = nullptr;
  /// Initial values into tensors of zeros on the CPU: those that are drawn. What a start takes from
  /// the base's weights is `hang`'s to put into them, where they are fresh.
  void (*draw)(std::vector<torch::Tensor>& tensors, const ModuleToHang& to,
               at::Generator& generator) = nullptr;
  Adapter::Hung (*hang)(Ports& ports, const ModuleToHang& to,
                        const std::vector<torch::Tensor>& tensors) = nullptr;
  /// What the settings say of modules besides choosing them, against what they choose; null:
  /// nothing.
  Status (*check_selection)(const ModuleSelection& selection,
                            const AdapterSettings& settings) = nullptr;

  const SharedTensors* shared = nullptr;  ///< null: there are none
  /// What the method does while the adapter trains, from its tensors in the order of `hang`; null:
  /// nothing.
  std::shared_ptr<AdapterCourse> (*course)(const std::vector<Adapter::Named>& trained,
                                           const AdapterSettings& settings) = nullptr;
  std::int64_t course_floats = 0;  ///< float32 numbers that it keeps for each that trains
  bool course_reaches = false;     ///< and its term of the loss gives all of them a gradient
  RankKeys rank_keys = {};

  /// The module's name as its keys have it; null: its own.
  std::string (*root)(const ModelModule& module, const AdapterSettings& settings) = nullptr;
  const char* prefix = "base_model.model.";  ///< of all keys
  /// Initial values that go by what the base has there, after `draw`; null: none do.
  void (*start)(std::vector<torch::Tensor>& tensors, const ModuleToHang& to,
                const Ports& ports) = nullptr;
  /// What the settings ask of one of the chosen modules that it cannot give; null: nothing.
  Status (*check_module)(const ModelModule& module, const AdapterSettings& settings) = nullptr;
  /// It hangs no plugs: its tensors are copies of the module's own, called by the last part of
  /// their suffixes (".ln_tuning_layers.weight": weight), that stand in their places.
  bool copies = false;
  /// The key of a setting that names rows of the token embedding, which train beside what hangs on
  /// modules (token_rows.h); null: there is none.
  const char* token_rows = nullptr;
  /// The key of a setting that chooses modules by their weights' names (PEFT's target_parameters);
  /// null: there is none.
  const char* parameters = nullptr;
  /// Why it cannot hang on this very module, seen with its weight; null: it can.
  Status (*check_base)(const Ports& ports, const ModuleToHang& to) = nullptr;

  /// Hangs what the modules' plugs need besides, when all of them hang; null: nothing.
  Status (*hang_beside)(Ports& ports, const AdapterSettings& settings,
                        Adapter::Parts& parts) = nullptr;

  /// What that setting names.
  std::vector<std::string> target_parameters(const AdapterSettings& settings) const {
    return parameters ? settings.more.names(parameters) : std::vector<std::string>();
  }
  std::string root_of(const ModelModule& module, const AdapterSettings& settings) const {
    return root ? root(module, settings) : module.name;
  }
  TrainedShare share(std::int64_t parameters, const ModelModule& module, const ModuleScale& scale,
                     const AdapterSettings& settings) const;
  /// What a recipe's settings choose of these modules.
  Result<ModuleSelection> select(const std::vector<ModelModule>& modules, const std::string& head,
                                 const AdapterSettings& settings) const;
};

/// Of a method that hangs on the model as a whole.
struct WholeMethod {
  /// What trains, for a forecast: suffixes are whole keys.
  std::vector<TensorSize> (*sizes)(const ModelGeometry& model, const AdapterSettings& settings);
  Result<Adapter::Parts> (*make)(LoadedModel& base, const AdapterSettings& settings,
                                 std::uint64_t seed);
  /// The parts of an adapter's folder whose tensor file is `file`.
  Result<Adapter::Parts> (*load)(LoadedModel& base, const AdapterSettings& settings,
                                 const SafetensorsFile& file);
  /// What a step's terms are told of it: tokens or keys before each row.
  void (*add_to)(StepTerms& terms, const AdapterSettings& settings);
  /// The module that what trains is counted with, and what it keeps there; an Input error where it
  /// cannot be. Null: it is counted with the text's embedding.
  Result<WrappedModule> (*place)(const ModelSummary& model,
                                 const AdapterSettings& settings) = nullptr;
};

/// A tensor of the base, or a module with its tensors, and the part of the model that it is of.
struct NamedPart {
  std::string name, part;
};
/// The step from which on something of the base trains; 0: the first one.
inline constexpr std::int64_t kNeverTrains = -1;
using FirstSteps = std::vector<std::int64_t>;

struct Method {
  explicit Method(const MethodKind& half) : kind(half) {}

  const MethodKind& kind;  ///< the half that the recipe knows: name, words, settings

  /// Of a method that changes the base: whether this part of the model trains.
  bool (*part_trains)(const std::string& part, const Recipe& recipe) = nullptr;
  /// And from which step on each of these does, which stand in the model's order: a function of
  /// the recipe alone, so that a resume is exact. Null: `part_trains` says all.
  Result<FirstSteps> (*first_steps)(const std::vector<NamedPart>& all,
                                    const Recipe& recipe) = nullptr;

  /// Of one that hangs plugs: every field of PEFT's config, and the settings from and to it. What
  /// all methods have in common is not theirs to write.
  const std::vector<SettingField>& (*fields)() = nullptr;
  Result<AdapterSettings> (*read)(const Json& config, const std::string& where) = nullptr;
  Json (*write)(const AdapterSettings& settings) = nullptr;
  /// Exactly one of the two where it hangs plugs.
  const ModuleMethod* of_modules = nullptr;
  const WholeMethod* of_whole = nullptr;
  /// Why no merge can hold what it trains; null: its plugs merge.
  const char* unmergeable = nullptr;
  /// What adapters of this method come to without their base, as PEFT's add_weighted_adapter has
  /// it; null: they have no arithmetic.
  Result<CombinedAdapter> (*combine)(const std::vector<StoredAdapter>& adapters,
                                     const CombineOptions& how) = nullptr;

  const char* name() const { return kind.name; }
  bool hangs_adapter() const { return kind.hangs_adapter(); }
  bool changes_base() const { return !hangs_adapter(); }
};

/// All of them, in the order of LUTHIER_METHODS: NAME_method() is NAME's row.
const std::vector<const Method*>& methods();
/// first_steps of a method that changes the base.
Result<FirstSteps> find_first_steps(const Method& method, const std::vector<NamedPart>& all,
                                    const Recipe& recipe);
/// By the recipe's strategy. An Input error names those there are.
Result<const Method*> find_method(const std::string& strategy);
/// An adapter_config.json by the method's row: what it refuses, then its settings.
Result<AdapterSettings> read_settings(const Method& method, const Json& config,
                                      const std::string& where);

}  // namespace luthier
