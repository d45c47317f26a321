// SPDX-License-Identifier: GPL-3.0-or-later
// BitFit (Ben Zaken et al. 2022): of every module that has a bias, a copy of it stands in its place
// and trains. PEFT has no such method; the folder is laid out as PEFT lays out all others, with
// peft_type BITFIT and the biases under their plain names (base_model.model.MODULE.bias).
#include "engine/methods/base_copies.h"

namespace luthier {

namespace {

constexpr const char* kBias = ".bias";

/// A bias of its own, which nothing else reads.
bool has_bias(const ModelModule& module) { return module.bias > 0 && module.type != "Parameter"; }

bool bias_by_default(const ModelModule& module, const std::string&, const AdapterSettings&) {
  return has_bias(module);
}

std::vector<TensorSize> bias_sizes(const ModelModule& module, const ModuleScale&,
                                   const AdapterSettings&) {
  return {{kBias, {module.bias}}};
}

void bias_keeps(TrainedShare& share, const ModelModule& module, const ModuleScale&,
                const AdapterSettings&) {
  share.whole = true;  // as the base has it, in the base's type
  share.keeps_input = module.norm();
}

const std::vector<SettingField>& bitfit_fields() {
  static const std::vector<SettingField> table = [] {
    std::vector<SettingField> all = copies_fields();
    for (const char* name : {"layers_pattern", "layers_to_transform"})
      all.push_back({name, SettingField::Use::Read, ""});
    return all;
  }();
  return table;
}

Result<AdapterSettings> read_bitfit(const Json& config, const std::string& where) {
  LUTHIER_TRY(AdapterSettings settings, read_copies_settings(config, where));
  LUTHIER_CHECK(read_own_settings(method_kind("bitfit"), config, where, settings));
  return settings;
}

Json write_bitfit(const AdapterSettings& settings) {
  Json config = write_copies_settings(settings);
  write_own_settings(method_kind("bitfit"), settings, config);
  return config;
}

ModuleMethod of_biases() {
  ModuleMethod method{
      {"Bias tuning trains the biases of modules that have one.", has_bias, bias_by_default},
      {kBias},
      bias_sizes,
      bias_keeps};
  method.copies = true;
  return method;
}

}  // namespace

const Method& bitfit_method() {
  static const ModuleMethod modules = of_biases();
  static const Method method = [] {
    Method row(method_kind("bitfit"));
    row.fields = bitfit_fields;
    row.read = read_bitfit;
    row.write = write_bitfit;
    row.of_modules = &modules;
    return row;
  }();
  return method;
}

}  // namespace luthier
