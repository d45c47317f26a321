// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/handover/start.h"

#include <algorithm>
#include <array>
#include <map>

#include "engine/config/kinds.h"
#include "engine/hub/folder_kind.h"
#include "engine/io/files.h"
#include "engine/io/json.h"
#include "engine/io/probe.h"
#include "engine/io/safetensors.h"
#include "engine/methods/adapter.h"
#include "engine/methods/method.h"
#include "engine/models/model_summary.h"
#include "engine/objectives/objective.h"
#include "engine/train/fresh_adapter.h"

namespace luthier::handover {

namespace fs = std::filesystem;

namespace {

// PEFT's types whose runs are held against TRL's (tests/parity/handed_over.py).
constexpr std::array kTypes{"LORA", "VERA", "LOHA", "LOKR",     "IA3",
                            "OFT",  "BOFT", "HRA",  "LN_TUNING"};

/// "lora, vera, … or ln_tuning": the methods that are handed over.
std::string handed_methods() {
  std::vector<std::string> names;
  for (const MethodKind& kind : method_kinds())
    if (std::find(kTypes.begin(), kTypes.end(), std::string(kind.peft_type)) != kTypes.end())
      names.emplace_back(kind.name);
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i)
    text += (i == 0 ? "" : i + 1 == names.size() ? " or " : ", ") + names[i];
  return text;
}

/// Settings that say how an adapter begins, and the values under which it adds nothing.
bool adds_nothing_at_first(const Recipe& recipe) {
  const std::string& start = recipe.adapter.init_lora_weights;
  if (recipe.strategy == "lora") return start == "true" || start == "gaussian" || start == "eva";
  for (const char* key : {"adapter.init_weights", "adapter.init_ia3_weights"}) {
    const auto value = recipe.adapter.more.json(key);
    if (value && *value == "false") return false;
  }
  return true;
}

Status copy_start(const fs::path& from, const fs::path& to) {
  LUTHIER_CHECK(check_adapter_folder(from));
  for (const std::string& name : names_in(from)) {
    if (name != Adapter::kConfigFile && name != Adapter::kTensorFile && name != "luthier.json")
      continue;
    LUTHIER_TRY(const fs::path file, resolve_inside(from, name));
    std::error_code problem;
    fs::copy_file(file, to / name, problem);
    if (problem)
      return machine_error("This file cannot be copied: " + problem.message() + ".", file.string());
  }
  return {};
}

/// TRL multiplies by the head's weight itself, past an adapter that hangs on it.
Status check_head_alone(const fs::path& folder) {
  LUTHIER_TRY(const SafetensorsFile file, SafetensorsFile::open(folder / Adapter::kTensorFile));
  const std::string head = "base_model.model.lm_head.";
  for (const auto& [name, info] : file.header().tensors) {
    if (!name.starts_with(head)) continue;
    const std::string rest = name.substr(head.size());
    if (rest == "weight" || rest == "bias") continue;
    return input_error(
        "The adapter hangs on the output head, and TRL 1.16 takes the head's weight "
        "by itself, so that it would not train.",
        "adapter.target_modules", "Leave lm_head out.");
  }
  return {};
}

}  // namespace

Status check_method(const Recipe& recipe, const TrlTrainer& trainer) {
  const MethodKind& method = method_kind(recipe.strategy);
  if (recipe.init != "pretrained")
    return input_error("Random weights are drawn here, and stand in no file that is handed over.",
                       "init", "Train a first step here, and hand that checkpoint on.");
  if (!method.hangs_adapter()) return {};
  const std::string type = method.peft_type;
  if (std::find(kTypes.begin(), kTypes.end(), type) == kTypes.end())
    return input_error("The method " + recipe.strategy +
                           " is not handed over: PEFT has none that trains the same under TRL's "
                           "trainers.",
                       "strategy", "Merge its result, or choose " + handed_methods() + ".");
  if (trainer.scores && type != "LORA")
    return input_error("A reward model over " + recipe.strategy + " is not handed over.",
                       "strategy", "Choose lora or full.");
  return {};
}

Status write_start(const Recipe& recipe, const TrlTrainer& trainer, const fs::path& folder,
                   const std::function<bool()>& go_on) {
  if (!recipe.adapter.init_from.empty()) {
    LUTHIER_CHECK(copy_start(recipe.adapter.init_from, folder));
  } else {
    LUTHIER_CHECK(write_fresh_adapter(recipe, folder, go_on));
  }
  return trainer.scores ? Status() : check_head_alone(folder);
}

std::vector<std::string> beginnings_of(const std::vector<std::pair<std::string, bool>>& names) {
  if (std::all_of(names.begin(), names.end(), [](const auto& each) { return each.second; }))
    return {};
  // How many of the names below each beginning train, and how many there are.
  std::map<std::string, std::pair<int, int>> below;
  for (const auto& [name, trains] : names)
    for (std::size_t dot = name.find('.'); dot != std::string::npos;
         dot = name.find('.', dot + 1)) {
      auto& [trained, all] = below[name.substr(0, dot + 1)];
      trained += trains;
      ++all;
    }
  std::vector<std::string> found;
  for (const auto& [name, trains] : names) {
    if (!trains) continue;
    std::string beginning = name;
    for (std::size_t dot = name.find('.'); dot != std::string::npos;
         dot = name.find('.', dot + 1)) {
      const auto& [trained, all] = below[name.substr(0, dot + 1)];
      if (trained != all) continue;
      beginning = name.substr(0, dot + 1);
      break;
    }
    if (found.empty() || found.back() != beginning) found.push_back(std::move(beginning));
  }
  return found;
}

Result<std::vector<std::string>> trained_names(const Recipe& recipe) {
  LUTHIER_TRY(const Method* method, find_method(recipe.strategy));
  if (method->hangs_adapter()) return std::vector<std::string>();
  LUTHIER_TRY(const ModelSummary model, summarize_model(recipe.model));
  std::vector<NamedPart> all;
  for (const ModuleSummary& module : model.modules) all.push_back({module.name, module.part});
  LUTHIER_TRY(const FirstSteps steps, find_first_steps(*method, all, recipe));
  std::vector<std::pair<std::string, bool>> names;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const bool tensor = model.modules[i].type == kOwnTensor;
    names.emplace_back(all[i].name + (tensor ? "" : "."), steps[i] != kNeverTrains);
  }
  return beginnings_of(names);
}

Result<std::string> reference_of(const Recipe& recipe, const TrlTrainer& trainer) {
  if (!trainer.reference) return std::string();
  LUTHIER_TRY(const auto objective, make_objective(recipe));
  const bool adapter = method_kind(recipe.strategy).hangs_adapter();
  const std::string named = objective->reference_checkpoint();
  switch (reference_kind(recipe.model, recipe, *objective, adapter)) {
    case ReferenceKind::None:
    case ReferenceKind::Adapter: return std::string();  // TRL copies the adapter that it is given
    case ReferenceKind::Base:
      // The copy of an adapter that adds nothing is the base.
      if (recipe.adapter.init_from.empty() && adds_nothing_at_first(recipe)) return std::string();
      return std::string("MODEL");
    case ReferenceKind::Model: break;
  }
  if (named.empty()) return std::string();
  return fs::absolute(named).lexically_normal().string();
}

}  // namespace luthier::handover
