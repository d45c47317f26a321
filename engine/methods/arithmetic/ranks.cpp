// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/arithmetic/ranks.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include "engine/base/text.h"
#include "engine/device/failure.h"
#include "engine/device/threads.h"
#include "engine/methods/arithmetic/low_rank_parts.h"
#include "engine/methods/arithmetic/stored_adapter.h"
#include "engine/methods/kinds/adalora_course.h"

namespace luthier {

using torch::Tensor;

namespace {

constexpr double kHeld = 0.99;

/// Names with their numbers as numbers: layers.2 before layers.10.
bool before(const std::string& one, const std::string& other) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  std::size_t i = 0, j = 0;
  while (i < one.size() && j < other.size()) {
    if (!digit(one[i]) || !digit(other[j])) {
      if (one[i] != other[j]) return one[i] < other[j];
      ++i, ++j;
      continue;
    }
    std::size_t a = i, b = j;
    while (a < one.size() && digit(one[a])) ++a;
    while (b < other.size() && digit(other[b])) ++b;
    if (a - i != b - j) return a - i < b - j;
    const int order = one.compare(i, a - i, other, j, b - j);
    if (order != 0) return order < 0;
    i = a, j = b;
  }
  return one.size() - i < other.size() - j;
}

/// The name up to its first number that stands alone; all of it where there is none.
std::string layer_of(const std::string& module) {
  std::size_t begin = 0;
  while (begin < module.size()) {
    const std::size_t end = std::min(module.find('.', begin), module.size());
    const auto part = module.substr(begin, end - begin);
    if (!part.empty() && part.find_first_not_of("0123456789") == std::string::npos)
      return module.substr(0, end);
    begin = end + 1;
  }
  return module;
}

/// Suffixes of a pair's tensors.
struct PairSuffixes {
  std::string a, b;
  std::string e;  ///< of a factor for each of A's rows; empty: there is none
};

/// What the module has, of a pair that lacks one what it should have (reading says so); none: it
/// has no pair.
std::optional<PairSuffixes> suffixes_of(const std::map<std::string, TensorView>& views) {
  for (const PairSuffixes& keys : {PairSuffixes{".lora_A.weight", ".lora_B.weight", ""},
                                   PairSuffixes{".lora_embedding_A", ".lora_embedding_B", ""},
                                   PairSuffixes{".lora_A", ".lora_B", ".lora_E"}}) {
    if (views.contains(keys.a) || views.contains(keys.b) || views.contains(keys.e)) return keys;
  }
  return std::nullopt;
}

/// The module's scale. The rank that it goes by is the one that the file has, or the figures would
/// be of another adapter. A parameter that is adapted by its name has its weight's.
Result<ModuleScale> scale_of_pair(const ScalePatterns& scales, const StoredAdapter& adapter,
                                  const std::string& module, std::int64_t rank) {
  ModuleScale scale;
  for (const char* end : {"", ".weight"}) {
    LUTHIER_TRY(scale, scales.of(module + end));
    if (scale.rank == rank) return scale;
  }
  return input_error("The file's rank is " + std::to_string(rank) + " in " + module +
                         ", adapter_config.json says " + std::to_string(scale.rank) + ".",
                     adapter.where() + ": r", "The folder's two files do not belong together.");
}

struct ScaledPair {
  std::string module;
  Tensor a, b;  // a [r, in, ...], b [out, r, ...]
  double scale;
};

ModuleRanks ranks_of_pair(const ScaledPair& pair) {
  if (pair.a.size(0) == 0) {  // all of it was pruned away
    ModuleRanks none = ranks_of_values(pair.module, {});
    none.shape = {pair.b.size(0), pair.a.size(1)};
    return none;
  }
  const Tensor values =
      (singular_values(pair.b.flatten(1), pair.a.flatten(1)) * pair.scale).contiguous();
  const auto* first = values.const_data_ptr<double>();
  ModuleRanks found = ranks_of_values(pair.module, {first, first + values.numel()});
  found.rank = pair.a.size(0);
  found.shape = {pair.b.size(0), pair.a[0].numel()};
  return found;
}

Result<AdapterRanks> ranks_of_folder(const std::filesystem::path& folder) {
  const torch::NoGradGuard no_grad;
  LUTHIER_TRY(const StoredAdapter adapter, open_stored_adapter(folder));
  LUTHIER_TRY(const ScalePatterns scales,
              ScalePatterns::compile(adapter.settings, adapter.where() + ": "));
  AdapterRanks ranks;
  ranks.method = adapter.method->name();
  std::vector<ScaledPair> pairs;
  for (const auto& [module, views] : adapter.modules) {
    const auto keys = suffixes_of(views);
    if (!keys) continue;
    LUTHIER_TRY(Tensor a, adapter.read(module, keys->a));
    LUTHIER_TRY(const Tensor b, adapter.read(module, keys->b));
    const bool pruned = !keys->e.empty() && a.dim() == 2 && a.size(0) == 0;
    if (a.dim() < 2 || b.dim() < 2 || a.size(0) != b.size(1) ||
        (!pruned && a.numel() * b.numel() == 0))
      return input_error("lora_A " + shape_text(a.sizes().vec()) + " and lora_B " +
                             shape_text(b.sizes().vec()) + " are no pair.",
                         adapter.file.path().string() + ": " + module, "The file is broken.");
    if (keys->e.empty()) {
      LUTHIER_TRY(const ModuleScale scale, scale_of_pair(scales, adapter, module, a.size(0)));
      pairs.push_back({module, a, b, std::abs(scale.scale)});
      continue;
    }
    LUTHIER_TRY(const Tensor e, adapter.read(module, keys->e));  // [r, 1]
    if (a.dim() != 2 || e.sizes().vec() != std::vector<std::int64_t>{a.size(0), 1})
      return input_error("lora_A " + shape_text(a.sizes().vec()) + " and lora_E " +
                             shape_text(e.sizes().vec()) + " do not fit.",
                         adapter.file.path().string() + ": " + module, "The file is broken.");
    a = a * e;  // [r, in]
    pairs.push_back({module, a, b, std::abs(adalora_scale(adapter.settings))});
  }
  ranks.modules.resize(pairs.size());
  // Several threads for one small decomposition would wait for each other longer than they work.
  on_own_threads(static_cast<std::int64_t>(pairs.size()), [&](std::int64_t i) {
    const auto at = static_cast<std::size_t>(i);
    ranks.modules[at] = ranks_of_pair(pairs[at]);
  });
  if (ranks.modules.empty())
    return input_error("Adapters of the method " + ranks.method + " hold no pairs of A and B.",
                       adapter.where() + ": peft_type", "Ranks are LoRA's and AdaLoRA's.");
  std::sort(ranks.modules.begin(), ranks.modules.end(),
            [](const auto& l, const auto& r) { return before(l.name, r.name); });
  double squares = 0;
  for (const ModuleRanks& module : ranks.modules) {
    const std::string layer = layer_of(module.name);
    if (ranks.layers.empty() || ranks.layers.back().name != layer)
      ranks.layers.push_back({layer, 0, 0});
    ranks.layers.back().norm = std::hypot(ranks.layers.back().norm, module.norm);
    ++ranks.layers.back().modules;
    squares += module.norm * module.norm;
  }
  ranks.norm = std::sqrt(squares);
  LUTHIER_CHECK(adapter.file.check_unchanged());
  return ranks;
}

}  // namespace

ModuleRanks ranks_of_values(std::string name, std::vector<double> values) {
  ModuleRanks ranks;
  ranks.name = std::move(name);
  double sum = 0, squares = 0;
  for (const double value : values) {
    sum += value;
    squares += value * value;
  }
  ranks.norm = std::sqrt(squares);
  if (squares > 0) {
    double entropy = 0, held = 0;
    for (const double value : values) {
      if (value > 0) entropy -= value / sum * std::log(value / sum);
      if (held < kHeld * squares) ++ranks.holding;
      held += value * value;
    }
    ranks.effective = std::exp(entropy);
    ranks.stable = squares / (values.front() * values.front());
  }
  ranks.values = std::move(values);
  return ranks;
}

Result<AdapterRanks> adapter_ranks(const std::filesystem::path& folder) try {
  return ranks_of_folder(folder);
} catch (const std::exception& problem) {
  return device_failure(
      problem, machine_error("There is not enough memory for the ranks.", folder.string()),
      machine_error("The ranks cannot be found: " + first_line(problem.what()), folder.string()));
}

Json to_json(const AdapterRanks& ranks) {
  Json modules = Json::array(), layers = Json::array();
  for (const ModuleRanks& module : ranks.modules) {
    modules.push_back({{"name", module.name},
                       {"rank", module.rank},
                       {"shape", module.shape},
                       {"singular_values", module.values},
                       {"norm", module.norm},
                       {"effective_rank", module.effective},
                       {"stable_rank", module.stable},
                       {"values_for_99_percent", module.holding}});
  }
  for (const LayerChange& layer : ranks.layers)
    layers.push_back({{"name", layer.name}, {"norm", layer.norm}, {"modules", layer.modules}});
  return {{"method", ranks.method}, {"norm", ranks.norm}, {"modules", modules}, {"layers", layers}};
}

}  // namespace luthier
