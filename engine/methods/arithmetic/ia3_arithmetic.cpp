// SPDX-License-Identifier: GPL-3.0-or-later
// (IA)³'s arithmetic: the weighted sum of the factors, as PEFT has it. An adapter that lacks a
// module gives nothing there, so weights that come to 1 keep a factor of 1 only where all have it.
#include "engine/config/recipe_field.h"
#include "engine/methods/arithmetic/method_arithmetic.h"

namespace luthier {

using torch::Tensor;

namespace {

constexpr const char* kFactors = ".ia3_l";
constexpr const char* kFeedforwardKey = "adapter.feedforward_modules";

Status join_feedforward(const std::vector<StoredAdapter>& adapters, AdapterSettings& settings) {
  std::vector<ModuleSelector> selectors;
  for (const StoredAdapter& adapter : adapters) {
    selectors.push_back(adapter.settings.more.modules(kFeedforwardKey));
    if (selectors.back().kind == ModuleSelector::Kind::None)  // an empty list
      selectors.back().kind = ModuleSelector::Kind::Names;
  }
  const auto joined = union_of(selectors);
  if (!joined)
    return input_error("feedforward_modules is a list in one adapter and a pattern in another.",
                       adapters.front().where() + ": feedforward_modules",
                       "Write it in all folders in the same way; the tensors stay as they are.");
  settings.more.set_json(kFeedforwardKey, selector_to_json(*joined).dump());
  return {};
}

}  // namespace

Result<CombinedAdapter> combine_ia3(const std::vector<StoredAdapter>& adapters,
                                    const CombineOptions& how) {
  if (how.combination_type != "linear")
    return input_error("Adapters of (IA)³ are combined by linear alone, not by " +
                           how.combination_type + ".",
                       "--combination-type", "Give --combination-type linear.");
  CombinedAdapter made;
  made.settings = adapters.front().settings;
  LUTHIER_CHECK(join_targets(adapters, made.settings));
  LUTHIER_CHECK(join_feedforward(adapters, made.settings));
  for (const std::string& module : modules_of_any(adapters)) {
    Tensor sum;
    const StoredAdapter* first = nullptr;
    for (std::size_t i = 0; i < adapters.size(); ++i) {
      if (!adapters[i].modules.contains(module)) continue;
      LUTHIER_TRY(const Tensor factors, adapters[i].read(module, kFactors));
      if (!first) {
        first = &adapters[i];
        sum = at::zeros_like(factors);
      }
      if (factors.sizes() != sum.sizes())
        return unlike_sizes(*first, adapters[i], module + kFactors, sum, factors);
      sum.add_(factors * how.weights[i]);
    }
    made.tensors.emplace_back(adapters.front().method->of_modules->prefix + module + kFactors, sum);
  }
  return made;
}

}  // namespace luthier
