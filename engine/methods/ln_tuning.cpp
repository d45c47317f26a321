// SPDX-License-Identifier: GPL-3.0-or-later
// Norm tuning as PEFT 0.21's tuners/ln_tuning has it: a copy of each norm, weight and bias, stands
// in the norm's place and trains.
#include "engine/methods/base_copies.h"

namespace luthier {

namespace {

constexpr const char* kNormWeight = ".ln_tuning_layers.weight";
constexpr const char* kNormBias = ".ln_tuning_layers.bias";

bool is_norm(const ModelModule& module) { return module.norm(); }

bool norm_by_default(const ModelModule& module, const std::string&, const AdapterSettings&) {
  return module.norm();
}

std::vector<TensorSize> norm_sizes(const ModelModule& module, const ModuleScale&,
                                   const AdapterSettings&) {
  std::vector<TensorSize> sizes{{kNormWeight, module.shape}};
  if (module.bias > 0) sizes.push_back({kNormBias, {module.bias}});
  return sizes;
}

void norm_keeps(TrainedShare& share, const ModelModule&, const ModuleScale&,
                const AdapterSettings&) {
  share.whole = true;
}

ModuleMethod of_norms() {
  ModuleMethod method{{"Norm tuning trains norms.", is_norm, norm_by_default},
                      {kNormWeight, kNormBias},
                      norm_sizes,
                      norm_keeps};
  method.copies = true;
  return method;
}

}  // namespace

const Method& ln_tuning_method() {
  static const ModuleMethod modules = of_norms();
  static const Method method = [] {
    Method row(method_kind("ln_tuning"));
    row.fields = copies_fields;
    row.read = read_copies_settings;
    row.write = write_copies_settings;
    row.of_modules = &modules;
    return row;
  }();
  return method;
}

}  // namespace luthier
