// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/arithmetic/combine.h"

#include <algorithm>
#include <cmath>

#include "engine/base/text.h"
#include "engine/device/failure.h"
#include "engine/io/files.h"
#include "engine/methods/adapter_notes.h"
#include "engine/methods/arithmetic/method_arithmetic.h"
#include "engine/models/stored_tensor.h"
#include "engine/models/tensor_file.h"

namespace luthier {

namespace fs = std::filesystem;
using torch::Tensor;

namespace {

constexpr const char* kBaseName = "base_model_name_or_path";

struct NamedCombination {
  const char* name;
  Combination how;
};

const std::vector<NamedCombination>& combination_table() {
  const auto of = [](Pruning pruning, bool elects) {
    TaskArithmetic arithmetic;
    arithmetic.pruning = pruning;
    arithmetic.elects_signs = elects;
    return arithmetic;
  };
  const TaskArithmetic sum, ties = of(Pruning::Magnitude, true), dare = of(Pruning::Random, false),
                            dare_ties = of(Pruning::Random, true),
                            prune = of(Pruning::Magnitude, false);
  static const std::vector<NamedCombination> table{{"svd", {sum, false, true}},
                                                   {"linear", {sum, false, false}},
                                                   {"cat", {sum, true, false}},
                                                   {"ties", {ties, false, false}},
                                                   {"ties_svd", {ties, false, true}},
                                                   {"dare_ties", {dare_ties, false, false}},
                                                   {"dare_linear", {dare, false, false}},
                                                   {"dare_ties_svd", {dare_ties, false, true}},
                                                   {"dare_linear_svd", {dare, false, true}},
                                                   {"magnitude_prune", {prune, false, false}},
                                                   {"magnitude_prune_svd", {prune, false, true}}};
  return table;
}

/// A base's name without where it lies: the last part of a path or repository, and of a snapshot
/// in a hub's cache the repository's.
std::string base_name(std::string name) {
  while (name.ends_with('/')) name.pop_back();
  if (const auto at = name.find("models--"); at != std::string::npos) {
    name = name.substr(at, name.find('/', at) - at);
    return name.substr(name.rfind("--") + 2);
  }
  return name.substr(name.rfind('/') + 1);
}

Result<std::string> base_of(const StoredAdapter& adapter) {
  return json_string(adapter.config, kBaseName, adapter.where(), "");
}

Status check_bases(const std::vector<StoredAdapter>& adapters) {
  LUTHIER_TRY(const std::string first, base_of(adapters.front()));
  for (const StoredAdapter& adapter : adapters) {
    LUTHIER_TRY(const std::string own, base_of(adapter));
    if (own.empty() || first.empty() || base_name(own) == base_name(first)) continue;
    return input_error("The adapters are of unlike bases: this one was made on \"" + own + "\", " +
                           adapters.front().folder.string() + " on \"" + first + "\".",
                       adapter.where() + ": " + kBaseName,
                       "Where both names mean one model, write the same in both folders.");
  }
  return {};
}

Status check_methods(const std::vector<StoredAdapter>& adapters) {
  for (const StoredAdapter& adapter : adapters) {
    const std::string name = adapter.method->name();
    if (adapter.method != adapters.front().method) {
      return input_error(
          "The adapter's method is " + name + ", that of " + adapters.front().folder.string() +
              " is " + adapters.front().method->name() + ".",
          adapter.where() + ": peft_type", "Only adapters of one method can be combined.");
    }
    if (!adapter.method->combine) {
      return input_error("Adapters of the method " + name + " have no arithmetic.",
                         adapter.where() + ": peft_type",
                         "Merge one into its base (luthier-cli merge), or answer with each beside "
                         "the base.");
    }
  }
  return {};
}

/// What adapters may train besides their plugs, which has no arithmetic.
Status check_plugs_alone(const StoredAdapter& adapter) {
  const auto set = [&](const char* key) {
    const auto found = adapter.config.find(key);
    return found != adapter.config.end() && !found->is_null() && *found != false &&
           *found != "none" && !((found->is_array() || found->is_object()) && found->empty());
  };
  struct Field {
    const char *key, *does;
  };
  for (const Field& field :
       {Field{"modules_to_save", "trains modules whole"},
        Field{"bias", "trains biases of the base"}, Field{"lora_bias", "adds a bias to B"},
        Field{"use_dora", "has a magnitude that goes by the base's weight"},
        Field{"target_parameters", "adapts parameters that are no module's"},
        Field{"alora_invocation_tokens", "is on for a part of the tokens"},
        Field{"trainable_token_indices", "replaces rows of the embedding"}}) {
    if (!set(field.key)) continue;
    return input_error(std::string(field.key) + " is set: the adapter " + field.does +
                           ", which has no arithmetic.",
                       adapter.where() + ": " + field.key,
                       "Combine adapters without it, or merge this one into its base.");
  }
  return {};
}

/// The base's own weights that PEFT writes beside the plug of an embedding or head.
Result<std::vector<std::pair<std::string, Tensor>>> base_weights(
    const std::vector<StoredAdapter>& adapters) {
  std::map<std::string, const TensorView*> found;
  for (const StoredAdapter& adapter : adapters) {
    for (const auto& [key, view] : adapter.whole) {
      const std::string place = adapter.file.path().string() + ": " + key;
      if (key.find(".base_layer.") == std::string::npos)
        return input_error("The tensor is of no plug and has no arithmetic.", place,
                           "The adapter trains more than its adapter_config.json says.");
      const auto [same, fresh] = found.try_emplace(key, &view);
      if (fresh) continue;
      LUTHIER_TRY(const bool equal, same_tensor(*same->second, view));
      if (!equal)
        return input_error("The base's own weight is another in this adapter.", place,
                           "The adapters are of unlike bases.");
    }
  }
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const auto& [key, view] : found) {
    LUTHIER_TRY(Tensor tensor, read_stored(*view, key));
    tensors.emplace_back(key, std::move(tensor));
  }
  return tensors;
}

/// "3 of 24 modules are not in every adapter; …": PEFT leaves out what misses, without a word.
void tell_missing(const std::vector<StoredAdapter>& adapters,
                  const std::vector<std::string>& modules, std::vector<std::string>& notes) {
  std::size_t missing = 0;
  std::string first;
  for (const std::string& module : modules) {
    const auto lacks = std::find_if(
        adapters.begin(), adapters.end(),
        [&](const StoredAdapter& adapter) { return !adapter.modules.contains(module); });
    if (lacks == adapters.end()) continue;
    if (++missing == 1) first = lacks->folder.string() + " lacks " + module;
  }
  if (missing == 0) return;
  notes.push_back(std::to_string(missing) + " of " + std::to_string(modules.size()) +
                  " modules are not in every adapter; one that lacks a module is left out there (" +
                  first + ").");
}

/// Pixel limits where all were trained under the same.
Result<std::optional<MediaLimits>> common_pixels(const std::vector<StoredAdapter>& adapters,
                                                 std::vector<std::string>& notes) {
  std::optional<MediaLimits> common;
  for (const StoredAdapter& adapter : adapters) {
    LUTHIER_TRY(const MediaLimits own, adapter_pixels(adapter.folder));
    if (common && *common != own) {
      notes.push_back(
          "The adapters were trained under unlike pixel limits; the result has none of its own.");
      return std::optional<MediaLimits>();
    }
    common = own;
  }
  return common;
}

Json config_of(const StoredAdapter& first, const CombinedAdapter& made) {
  Json config = first.method->write(made.settings);
  config["peft_type"] = first.method->kind.peft_type;
  for (const char* key : {kBaseName, "revision", "task_type"}) {
    if (const auto found = first.config.find(key); found != first.config.end())
      config[key] = *found;
  }
  return config;
}

Status write_combined(const Combined& combined, const fs::path& out) {
  LUTHIER_TRY(FolderWriter writer, FolderWriter::begin(out));
  LUTHIER_CHECK(write_tensor_file(writer.path() / Adapter::kTensorFile, combined.tensors));
  LUTHIER_CHECK(
      write_file_atomically(writer.path() / Adapter::kConfigFile, combined.config.dump(2) + "\n"));
  if (combined.pixels && *combined.pixels != MediaLimits())
    LUTHIER_CHECK(write_adapter_notes(writer.path(), *combined.pixels));
  return writer.commit();
}

Result<Combined> combine_folders(const std::vector<fs::path>& folders, CombineOptions how) {
  if (folders.empty()) return input_error("There is no adapter to combine.", "--adapter");
  if (how.weights.size() != folders.size()) {
    return input_error(std::to_string(how.weights.size()) + " weights stand for " +
                           std::to_string(folders.size()) + " adapters.",
                       "--weights", "Give one for each adapter, in their order: 0.7,0.3.");
  }
  for (const double weight : how.weights) {
    if (!std::isfinite(weight)) return input_error("A weight is not finite.", "--weights");
  }
  LUTHIER_CHECK(find_combination(how));
  if (folders.size() == 1) how.combination_type = "linear";  // as PEFT has it
  std::vector<StoredAdapter> adapters;
  for (const fs::path& folder : folders) {
    LUTHIER_TRY(StoredAdapter adapter, open_stored_adapter(folder));
    adapters.push_back(std::move(adapter));
  }
  LUTHIER_CHECK(check_methods(adapters));
  for (const StoredAdapter& adapter : adapters) LUTHIER_CHECK(check_plugs_alone(adapter));
  LUTHIER_CHECK(check_bases(adapters));
  LUTHIER_TRY(auto beside, base_weights(adapters));
  const torch::NoGradGuard no_grad;
  LUTHIER_TRY(CombinedAdapter made, adapters.front().method->combine(adapters, how));
  const std::vector<std::string> modules = modules_of_any(adapters);
  tell_missing(adapters, modules, made.notes);
  LUTHIER_TRY(const auto pixels, common_pixels(adapters, made.notes));
  for (const StoredAdapter& adapter : adapters) LUTHIER_CHECK(adapter.file.check_unchanged());
  for (auto& each : beside) made.tensors.push_back(std::move(each));
  std::sort(made.tensors.begin(), made.tensors.end(),
            [](const auto& l, const auto& r) { return l.first < r.first; });
  Combined combined;
  combined.method = adapters.front().method;
  combined.config = config_of(adapters.front(), made);
  combined.settings = std::move(made.settings);
  combined.tensors = std::move(made.tensors);
  combined.pixels = pixels;
  combined.report = {how.combination_type, made.rank, static_cast<std::int64_t>(modules.size()),
                     std::move(made.notes)};
  return combined;
}

Error combining_failed(const std::exception& problem, const std::string& where) {
  return device_failure(
      problem,
      machine_error("There is not enough memory to combine the adapters.", where,
                    "Types that end in svd make each module's whole change of the weight; linear, "
                    "cat and those without svd do not."),
      machine_error("Combining failed: " + first_line(problem.what()), where));
}

}  // namespace

const std::vector<std::string>& combination_types() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const NamedCombination& each : combination_table()) all.emplace_back(each.name);
    return all;
  }();
  return names;
}

Result<Combination> find_combination(const CombineOptions& how) {
  std::string known;
  for (const NamedCombination& each : combination_table()) {
    known += (known.empty() ? "" : ", ") + std::string(each.name);
    if (how.combination_type != each.name) continue;
    Combination found = each.how;
    found.arithmetic.majority = how.majority;
    if (found.arithmetic.pruning == Pruning::None) return found;
    const bool draws = found.arithmetic.pruning == Pruning::Random;
    if (!how.density)
      return input_error("How much " + how.combination_type + " leaves is not said.", "--density",
                         "Give the share of the numbers that stay: 0.5 leaves half of them.");
    if (!(*how.density >= 0) || (draws && *how.density == 0))
      return input_error(draws ? "A density above 0 is expected." : "A density from 0 is expected.",
                         "--density", "From 1 on nothing is left out.");
    found.arithmetic.density = *how.density;
    return found;
  }
  return input_error("There is no combination type \"" + how.combination_type + "\".",
                     "--combination-type", "Known: " + known + ".");
}

CombinationNeeds combination_needs(const std::string& type) {
  for (const NamedCombination& each : combination_table()) {
    if (type != each.name) continue;
    const Pruning pruning = each.how.arithmetic.pruning;
    return {pruning != Pruning::None, pruning == Pruning::Random, each.how.arithmetic.elects_signs,
            each.how.svd};
  }
  return {};
}

Result<Combined> combine_in_memory(const std::vector<fs::path>& folders,
                                   const CombineOptions& how) try {
  return combine_folders(folders, how);
} catch (const std::exception& problem) {
  return combining_failed(problem, folders.empty() ? std::string() : folders.front().string());
}

Result<CombineReport> combine_adapters(const std::vector<fs::path>& folders,
                                       const CombineOptions& how, const fs::path& out) try {
  LUTHIER_TRY(Combined combined, combine_folders(folders, how));
  LUTHIER_CHECK(write_combined(combined, out));
  return std::move(combined.report);
} catch (const std::exception& problem) {
  return combining_failed(problem, out.string());
}

Json to_json(const CombineReport& report) {
  return {{"combination_type", report.combination_type},
          {"rank", report.rank == 0 ? Json(nullptr) : Json(report.rank)},
          {"modules", report.modules},
          {"notes", report.notes}};
}

}  // namespace luthier
