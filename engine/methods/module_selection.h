// SPDX-License-Identifier: GPL-3.0-or-later
// Which modules an adapter wraps: PEFT's matching rules on plain names, shared by the adapters, the
// forecast and the window. No LibTorch.
#pragma once

#include <array>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/config/recipe.h"
#include "engine/methods/module_patterns.h"
#include "engine/models/model_summary.h"
#include "engine/nn/cost.h"

namespace luthier {

/// A module of the model, as PEFT meets it in transformers' class.
struct ModelModule {
  std::string name;
  std::string type;  ///< Linear, Embedding, LayerNorm, ...; empty: it holds no tensor of its own
  std::vector<std::int64_t> shape = {};  ///< of its weight; of a branch: its width
  std::string branch = {};  ///< attention | feed_forward; empty: it is no branch of a layer
  std::int64_t bias = 0;    ///< numbers of its bias; 0: it has none

  bool linear() const { return type == "Linear"; }
  bool convolution() const { return type == "Conv2d" || type == "Conv3d"; }
  bool token_embedding() const {
    return type == "Embedding" && ends_after_dot(name, "embed_tokens");
  }
  bool norm() const { return type == "RMSNorm" || type == "LayerNorm"; }
  /// Experts' matrices, one above another in a parameter of a module with others: `name` is the
  /// parameter's, and no module of transformers has it.
  bool stack() const { return type == kExpertStack; }
  /// It is no Linear there, so that an adapter reaches it by its weight's name alone.
  bool by_weight_alone() const { return stack() || type == "Router"; }
  std::string weight_name() const { return stack() ? name : name + ".weight"; }

  static constexpr const char* kExpertStack = "ExpertStack";
};

/// What of a model a method can hang on.
struct Wrapping {
  const char* sentence;  ///< "IA3 wraps Linear modules."
  bool (*can)(const ModelModule& module);
  /// Whether all-linear means this one; `head`: the output head's name.
  bool (*by_default)(const ModelModule& module, const std::string& head,
                     const AdapterSettings& settings);
};
/// Every Linear but the head: what PEFT means by all-linear.
bool all_linear(const ModelModule& module, const std::string& head,
                const AdapterSettings& settings);

/// `modules` and what else transformers' classes have: the modules that hold them, and those that
/// hold no tensor (activations, rotary tables, dropouts). PEFT's patterns meet all of them.
std::vector<ModelModule> all_modules(std::vector<ModelModule> modules);
std::vector<ModelModule> all_modules(const ModelSummary& model);
/// The shapes of the two stacks of a module of experts, of which `first` is [experts, 2 · inner,
/// hidden].
std::array<std::vector<std::int64_t>, 2> stack_shapes(const std::vector<std::int64_t>& first);
/// The output head among them, by its name; empty: there is none.
std::string head_of(const std::vector<ModelModule>& modules);

struct WrappedModule {
  std::string name;
  ModuleScale scale;
  TrainedShare share = {};                             ///< what its plug trains and keeps
  std::vector<std::vector<std::int64_t>> shapes = {};  ///< of the plug's tensors
  bool by_parameter = false;  ///< chosen by its weight's name (target_parameters)
  bool stack = false;         ///< of experts' matrices, whose name is the weight's

  /// What patterns of ranks and alphas are matched with.
  std::string pattern_name() const { return pattern_name(name); }
  /// The same of a module that a file calls `stored`.
  std::string pattern_name(const std::string& stored) const {
    if (stack) return name;
    return by_parameter ? stored + ".weight" : stored;
  }
};
struct ModuleSelection {
  std::vector<WrappedModule> wrapped;             ///< in the model's order
  std::vector<std::string> saved;                 ///< modules with tensors that are trained whole
  std::vector<std::string> biases;                ///< modules whose bias trains, if they have one
  std::int64_t parameters = 0;                    ///< of plugs that are on no module of these
  std::vector<std::vector<std::int64_t>> shapes;  ///< of those plugs' tensors
};

/// What a recipe's `settings` select of all_modules(). Names match whole or after a dot; a string
/// is a full-match regular expression; all-linear is what `wrapping` says; exclude_modules takes
/// away. Input errors, each with the field and the nearest names: an entry or pattern that means
/// nothing in this model, one that is malformed, one that means what the method cannot wrap.
/// `parameters`: target_parameters.
Result<ModuleSelection> select_modules(const std::vector<ModelModule>& modules,
                                       const std::string& head_name,
                                       const AdapterSettings& settings, const Wrapping& wrapping,
                                       const std::vector<std::string>& parameters = {},
                                       const RankKeys& rank_keys = {});

/// Whether PEFT's target_parameters name the module's weight: whole or after a dot. Those that they
/// can name are a Linear's, a router's and a stack of experts'.
bool is_target_parameter(const ModelModule& module, const std::vector<std::string>& parameters);
/// Whether a method can hang on it, chosen so or by its weight's name.
bool can_hang(const Wrapping& wrapping, const ModelModule& module, bool by_parameter);

/// The module that tells classes apart, in most of transformers' models that do. PEFT saves it with
/// every adapter of such a task, whether there is one of that name or not.
inline constexpr const char* kClassHead = "classifier";

/// Whether `name` ends as one of modules_to_save does (PEFT asks for no dot before) or stands
/// inside one.
bool is_saved_module(const std::string& name, const std::vector<std::string>& modules_to_save);

/// The shortest endings, cut at dots, that are those of all `wanted` names and of none of the
/// `others`.
std::vector<std::string> shortest_endings(const std::vector<std::string>& wanted,
                                          const std::vector<std::string>& others);

/// `settings` as an adapter_config.json must have them, so that PEFT, asked about each of
/// all_modules(), finds exactly `selection` with its ranks and alphas. What means that already
/// stays as it is.
AdapterSettings settings_to_write(AdapterSettings settings, const std::vector<ModelModule>& modules,
                                  const ModuleSelection& selection, const RankKeys& rank_keys = {});

/// For a refusal: what `key`, a name or a pattern, may have been meant for. "The nearest: q_proj,
/// k_proj."
std::string nearest_names(const std::string& key, const std::vector<std::string>& names);

}  // namespace luthier
