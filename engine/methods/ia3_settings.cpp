// SPDX-License-Identifier: GPL-3.0-or-later
// (IA)³ without a tensor: adapter_config.json as PEFT 0.21 reads and writes it, and the sizes.
#include "engine/methods/ia3_settings.h"

#include <algorithm>

#include "engine/methods/kinds/delta_linear.h"

namespace luthier {

namespace {

using Use = SettingField::Use;
using Selects = ModuleSelector::Kind;
constexpr const char* kFeedforward = "adapter.feedforward_modules";

ModuleSelector feedforward_of(const AdapterSettings& settings) {
  return settings.more.modules(kFeedforward);
}

std::string with_escaped_dots(const std::string& name) {
  std::string text;
  for (const char c : name) text += c == '.' ? std::string("\\.") : std::string(1, c);
  return text;
}

}  // namespace

const std::vector<SettingField>& ia3_fields() {
  static const std::vector<SettingField> table{
      {"exclude_modules", Use::Read, ""},
      {"fan_in_fan_out", Use::Harmless, "PEFT sets it to false for a Linear"},
      {"feedforward_modules", Use::Read, ""},
      {"init_ia3_weights", Use::Read, ""},
      {"modules_to_save", Use::Read, ""},
      {"target_modules", Use::Read, ""},
  };
  return table;
}

Result<AdapterSettings> read_ia3_settings(const Json& config, const std::string& where) {
  AdapterSettings settings;
  LUTHIER_CHECK(read_module_settings(config, where, settings));
  LUTHIER_CHECK(read_own_settings(method_kind("ia3"), config, where, settings));
  return settings;
}

Json write_ia3_settings(const AdapterSettings& settings) {
  Json config = common_json();
  write_module_settings(settings, config);
  write_own_settings(method_kind("ia3"), settings, config);
  config["fan_in_fan_out"] = false;
  ModuleSelector feedforward = feedforward_of(settings);
  const std::vector<std::string>& targets = settings.target_modules.names;
  const bool within =
      std::all_of(feedforward.names.begin(), feedforward.names.end(), [&](const std::string& name) {
        return std::find(targets.begin(), targets.end(), name) != targets.end();
      });
  if (feedforward.kind == Selects::None) {
    // null is no setting that PEFT reads for a model that it does not know.
    config["feedforward_modules"] = Json::array();
  } else if (feedforward.kind == Selects::Names && !within &&
             settings.target_modules.kind == Selects::Names) {
    // PEFT takes no list that is not a part of the targets' as they are written.
    std::string any = ".*(";
    for (const std::string& name : feedforward.names) {
      if (&name != &feedforward.names.front()) any.push_back('|');
      any.append(with_escaped_dots(name));
    }
    any.push_back(')');
    config["feedforward_modules"] = any;
  }
  return config;
}

bool is_feedforward(const std::string& module, const AdapterSettings& settings) {
  const ModuleSelector feedforward = feedforward_of(settings);
  if (feedforward.kind == Selects::Names) {
    return std::any_of(feedforward.names.begin(), feedforward.names.end(),
                       [&](const std::string& name) { return module.ends_with(name); });
  }
  const auto patterns = compile_selector(feedforward, kFeedforward);
  if (!patterns) return false;
  const auto matched = any_matches(*patterns, module);
  return matched && *matched;
}

std::vector<TensorSize> ia3_sizes(const ModelModule& module, const ModuleScale&,
                                  const AdapterSettings& settings) {
  if (module.convolution() && module.shape.size() > 2) {
    std::vector<std::int64_t> shape(module.shape.size(), 1);
    shape[1] = module.shape[is_feedforward(module.name, settings) ? 1 : 0];
    return {{".ia3_l", shape}};
  }
  if (module.shape.size() != 2) return {};
  if (is_feedforward(module.name, settings)) return {{".ia3_l", {1, module.shape[1]}}};
  return {{".ia3_l", {module.shape[0], 1}}};
}

void ia3_keeps(TrainedShare& share, const ModelModule& module, const ModuleScale&,
               const AdapterSettings& settings) {
  share.keeps_input = is_feedforward(module.name, settings);
  const std::vector<std::int64_t> shape = product_shape(module);  // [out, in]
  const std::int64_t in = shape[1], scaled = share.keeps_input ? in : shape[0];
  if (!share.keeps_input) share.row_numbers = scaled;
  // In the backward the gradients of both that meet in the product of numbers and factors: where
  // those are what the layer gives, before what it takes has one.
  share.row_work = share.keeps_input ? 2 * scaled : std::max<std::int64_t>(0, 2 * scaled - in);
  share.row_floats = 2 * scaled;
}

Status check_feedforward(const ModuleSelection& selection, const AdapterSettings& settings) {
  const ModuleSelector feedforward = feedforward_of(settings);
  LUTHIER_TRY(const auto patterns, compile_selector(feedforward, kFeedforward));
  std::vector<std::string> names;
  for (const WrappedModule& module : selection.wrapped) names.push_back(module.name);
  const auto refused = [&](const std::string& key) {
    return input_error("None of the target modules is named " + key + ".", kFeedforward,
                       nearest_names(key, names));
  };
  if (feedforward.kind == Selects::Names) {
    for (const std::string& key : feedforward.names) {
      const bool found = std::any_of(names.begin(), names.end(),
                                     [&](const std::string& name) { return name.ends_with(key); });
      if (!found) return refused(key);
    }
    return {};
  }
  for (const NamePattern& pattern : patterns) {
    bool found = false;
    for (const std::string& name : names) {
      LUTHIER_TRY(const bool matched, pattern.matches(name));
      found = found || matched;
    }
    if (!found) return refused(pattern.text());
  }
  return {};
}

}  // namespace luthier
