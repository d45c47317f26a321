// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <cstdio>
#include <memory>

#include "app/cli/adapter.h"
#include "engine/methods/arithmetic/ranks.h"

namespace luthier::cli {

namespace {

struct RanksVerbOptions {
  std::string adapter;
  bool json = false;
};

Status ranks(const RanksVerbOptions& o) {
  LUTHIER_TRY(const AdapterRanks found, adapter_ranks(o.adapter));
  if (o.json) {
    print_json(to_json(found));
    return {};
  }
  std::size_t width = 6;
  for (const ModuleRanks& module : found.modules) width = std::max(width, module.name.size());
  const auto line = [&](const std::string& name, const char* figures) {
    print_line(name + std::string(width - name.size(), ' ') + figures);
  };
  line("module", "  rank  effective  stable   99 %       norm    largest   smallest");
  for (const ModuleRanks& module : found.modules) {
    const bool pruned = module.values.empty();  // all of it, by AdaLoRA
    char text[128];
    std::snprintf(text, sizeof text, "  %4lld  %9.2f  %6.2f  %5lld  %9.3g  %9.3g  %9.3g",
                  static_cast<long long>(module.rank), module.effective, module.stable,
                  static_cast<long long>(module.holding), module.norm,
                  pruned ? 0 : module.values.front(), pruned ? 0 : module.values.back());
    line(module.name, text);
  }
  print_line("");
  for (const LayerChange& layer : found.layers) {
    char text[64];
    std::snprintf(text, sizeof text, "  %9.3g of %lld modules", layer.norm,
                  static_cast<long long>(layer.modules));
    line(layer.name, text);
  }
  char text[64];
  std::snprintf(text, sizeof text, "The norm of the whole change is %.3g.", found.norm);
  print_line(text);
  return {};
}

}  // namespace

Action add_adapter_ranks(CLI::App& app) {
  const auto o = std::make_shared<RanksVerbOptions>();
  app.add_option("DIR", o->adapter, "A PEFT folder")->required();
  app.add_flag("--json", o->json, "One JSON document on stdout");
  return [o] { return ranks(*o); };
}

}  // namespace luthier::cli
