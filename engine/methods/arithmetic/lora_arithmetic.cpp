// SPDX-License-Identifier: GPL-3.0-or-later
// LoRA's arithmetic. "cat" puts the pairs one below the other; "linear" and what prunes work on A
// and B apart, each with the root of weight · scale and the sign on A; "svd" and the types that end
// so work on the whole changes B·A and take the nearest pair of the result. The result's scale is
// 1: alpha is its rank, and no pattern or rsLoRA stands in its settings.
#include <algorithm>
#include <cmath>
#include <optional>

#include "engine/base/text.h"
#include "engine/device/threads.h"
#include "engine/methods/arithmetic/low_rank_parts.h"
#include "engine/methods/arithmetic/method_arithmetic.h"

namespace luthier {

using torch::Tensor;

namespace {

/// Up to this size of the smaller side a whole change is decomposed as PEFT does it, so that the
/// signs of its singular vectors are PEFT's too; beyond it "svd" goes through the factors.
constexpr std::int64_t kWholeDecomposed = 1024;

/// What one adapter has on a module.
struct Half {
  const StoredAdapter* adapter;
  Tensor a, b;  // a [r, in, ...], b [out, r, ...], float32
  double weight = 0, scale = 0;
};

/// Keys of a module's pair: a Linear's, or a token embedding's.
struct PairKeys {
  const char *a = ".lora_A.weight", *b = ".lora_B.weight";
  bool embedding = false;
};

class LoraCombiner {
 public:
  LoraCombiner(const std::vector<StoredAdapter>& adapters, const CombineOptions& how,
               Combination way)
      : adapters_(adapters), how_(how), way_(way) {}

  Result<CombinedAdapter> run() {
    CombinedAdapter made;
    LUTHIER_CHECK(read_ranks());
    made.rank = rank_;
    made.settings = adapters_.front().settings;
    made.settings.r = rank_;
    made.settings.lora_alpha = static_cast<double>(rank_);
    made.settings.rank_pattern.clear();
    made.settings.alpha_pattern.clear();
    if (made.settings.use_rslora)
      made.notes.push_back(
          "The result is no rsLoRA: its scale is 1, where PEFT keeps the setting and multiplies the "
          "sum by the root of its rank.");
    made.settings.use_rslora = false;
    LUTHIER_CHECK(join_targets(adapters_, made.settings));
    const std::vector<std::string> modules = modules_of_any(adapters_);
    std::vector<std::optional<Result<LowRankPair>>> pairs(modules.size());
    // A decomposition of a few hundred rows that goes over several threads takes many times as
    // long as on one.
    on_own_threads(static_cast<std::int64_t>(modules.size()), [&](std::int64_t i) {
      const auto at = static_cast<std::size_t>(i);
      pairs[at] = pair_of_module(modules[at]);
    });
    for (std::size_t i = 0; i < modules.size(); ++i) {
      const PairKeys keys = keys_of(modules[i]);
      const std::string key = adapters_.front().method->of_modules->prefix + modules[i];
      LUTHIER_TRY(LowRankPair pair, std::move(*pairs[i]));
      made.tensors.emplace_back(key + keys.a, pair.a.contiguous());
      made.tensors.emplace_back(key + keys.b, pair.b.contiguous());
    }
    return made;
  }

 private:
  Result<LowRankPair> pair_of_module(const std::string& module) const {
    const PairKeys keys = keys_of(module);
    LUTHIER_TRY(const std::vector<Half> halves, read_halves(module, keys));
    const std::string key = adapters_.front().method->of_modules->prefix + module;
    return pair_of(halves, module, key, keys);
  }

  PairKeys keys_of(const std::string& module) const {
    for (const StoredAdapter& adapter : adapters_) {
      const auto found = adapter.modules.find(module);
      if (found != adapter.modules.end() && found->second.contains(".lora_embedding_A"))
        return {".lora_embedding_A", ".lora_embedding_B", true};
    }
    return {};
  }

  /// The ranks that the settings say, and the result's.
  Status read_ranks() {
    std::int64_t sum = 0, largest = 0, first = 0;
    for (const StoredAdapter& adapter : adapters_) {
      const AdapterSettings& settings = adapter.settings;
      std::int64_t rank = settings.r;
      for (const auto& [pattern, own] : settings.rank_pattern) rank = std::max(rank, own);
      if (first == 0) first = rank;
      if (rank != first && !way_.cat && !way_.svd)
        return input_error("The rank is " + std::to_string(rank) + ", that of " +
                               adapters_.front().folder.string() + " is " + std::to_string(first) +
                               ": " + how_.combination_type + " takes adapters of one rank.",
                           adapter.where() + ": r",
                           "Types that take unlike ranks: cat, svd and those that end in svd.");
      sum += rank;
      largest = std::max(largest, rank);
      LUTHIER_TRY(auto scales, ScalePatterns::compile(settings, adapter.where() + ": "));
      scales_.push_back(std::move(scales));
    }
    rank_ = way_.cat ? sum : way_.svd ? how_.svd_rank.value_or(largest) : first;
    if (how_.svd_rank && !way_.svd)
      return input_error("The rank of " + how_.combination_type + " follows from the adapters.",
                         "--svd-rank", "It is for svd and the types that end in svd.");
    if (rank_ < 1 || rank_ > 65536)
      return input_error("A rank between 1 and 65536 is expected.",
                         way_.svd ? "--svd-rank" : "--adapter");
    return {};
  }

  Result<std::vector<Half>> read_halves(const std::string& module, const PairKeys& keys) const {
    std::vector<Half> halves;
    for (std::size_t i = 0; i < adapters_.size(); ++i) {
      const StoredAdapter& adapter = adapters_[i];
      if (!adapter.modules.contains(module)) continue;
      LUTHIER_TRY(const ModuleScale scale, scales_[i].of(module));
      Half half{&adapter, {}, {}, how_.weights[i], scale.scale};
      LUTHIER_TRY(half.a, adapter.read(module, keys.a));
      LUTHIER_TRY(half.b, adapter.read(module, keys.b));
      LUTHIER_CHECK(check_half(half, halves.empty() ? half : halves.front(), scale, module, keys));
      halves.push_back(std::move(half));
    }
    return halves;
  }

  Status check_half(const Half& half, const Half& first, const ModuleScale& scale,
                    const std::string& module, const PairKeys& keys) const {
    const Tensor &a = half.a, &b = half.b;
    const std::string place = half.adapter->file.path().string() + ": " + module;
    if (a.dim() < 2 || b.dim() < 2 || a.size(0) != b.size(1) || a.size(0) != scale.rank) {
      return input_error("lora_A " + shape_text(a.sizes().vec()) + " and lora_B " +
                             shape_text(b.sizes().vec()) + " are no pair of the rank " +
                             std::to_string(scale.rank) + " that adapter_config.json says.",
                         place, "The two files do not belong together.");
    }
    if (a[0].sizes() != first.a[0].sizes())
      return unlike_sizes(*first.adapter, *half.adapter, module + keys.a, first.a, a);
    if (b.size(0) != first.b.size(0) || b.dim() != first.b.dim())
      return unlike_sizes(*first.adapter, *half.adapter, module + keys.b, first.b, b);
    if (way_.cat || way_.svd || a.size(0) == rank_) return {};
    return input_error("rank_pattern gives this module the rank " + std::to_string(a.size(0)) +
                           ", and " + how_.combination_type + " takes one rank everywhere, " +
                           std::to_string(rank_) + ".",
                       place, "Types that take unlike ranks: cat, svd and those that end in svd.");
  }

  Result<LowRankPair> pair_of(const std::vector<Half>& halves, const std::string& module,
                              const std::string& key, const PairKeys& keys) const {
    if (way_.cat) return cat_pair(halves);
    if (way_.svd) return svd_pair(halves, module, key, keys);
    return apart_pair(halves, key, keys);
  }

  LowRankPair cat_pair(const std::vector<Half>& halves) const {
    std::vector<std::int64_t> a_shape = halves.front().a.sizes().vec(),
                              b_shape = halves.front().b.sizes().vec();
    a_shape[0] = b_shape[1] = rank_;
    LowRankPair pair{at::zeros(a_shape, torch::kFloat32), at::zeros(b_shape, torch::kFloat32)};
    std::int64_t at = 0;
    for (const Half& half : halves) {
      pair.a.narrow(0, at, half.a.size(0)).copy_(half.a * half.weight * half.scale);
      pair.b.narrow(1, at, half.a.size(0)).copy_(half.b);
      at += half.a.size(0);
    }
    return pair;
  }

  LowRankPair apart_pair(const std::vector<Half>& halves, const std::string& key,
                         const PairKeys& keys) const {
    std::vector<Tensor> a, b;
    std::vector<double> of_a, of_b;
    for (const Half& half : halves) {
      const double weight = half.weight * half.scale, root = std::sqrt(std::abs(weight));
      a.push_back(half.a);
      b.push_back(half.b);
      of_a.push_back(weight >= 0 ? root : -root);
      of_b.push_back(root);
    }
    return {combined_tasks(a, of_a, way_.arithmetic, draw_place(how_.seed, key + keys.a)),
            combined_tasks(b, of_b, way_.arithmetic, draw_place(how_.seed, key + keys.b))};
  }

  Result<LowRankPair> svd_pair(const std::vector<Half>& halves, const std::string& module,
                               const std::string& key, const PairKeys& keys) const {
    const Half& first = halves.front();
    const std::int64_t out = first.b.size(0), in = first.a[0].numel();
    if (way_.arithmetic.pruning == Pruning::None && std::min(out, in) > kWholeDecomposed)
      return reshaped(leading_pair(summed_parts(halves), rank_), first);
    std::vector<Tensor> deltas;
    std::vector<double> weights;
    for (const Half& half : halves) {
      Tensor delta = half.b.flatten(1).mm(half.a.flatten(1)).mul_(half.scale);  // [out, in]
      // PEFT has an embedding's change as [in, out]: the place of a draw goes by that.
      deltas.push_back(keys.embedding ? delta.t().contiguous() : delta);
      weights.push_back(half.weight);
    }
    Tensor whole = combined_tasks(std::move(deltas), weights, way_.arithmetic,
                                  draw_place(how_.seed, key));
    if (keys.embedding) whole = whole.t();
    if (!at::isfinite(whole).all().item<bool>())
      return input_error("The combined change of the weight is not finite.", module,
                         "Smaller weights keep it within float32.");
    return reshaped(leading_pair(whole, rank_), first);
  }

  /// Σ weight · scale · B·A through the factors, which lie beside one another.
  static SingularParts summed_parts(const std::vector<Half>& halves) {
    std::vector<Tensor> a, b;
    for (const Half& half : halves) {
      a.push_back(half.a.flatten(1).to(torch::kFloat64) * (half.weight * half.scale));
      b.push_back(half.b.flatten(1).to(torch::kFloat64));
    }
    return singular_parts(at::cat(b, 1), at::cat(a, 0));
  }

  /// A convolution's pair has the kernel's axes.
  LowRankPair reshaped(LowRankPair pair, const Half& like) const {
    std::vector<std::int64_t> a = like.a.sizes().vec(), b = like.b.sizes().vec();
    a[0] = b[1] = rank_;
    return {pair.a.view(a), pair.b.view(b)};
  }

  const std::vector<StoredAdapter>& adapters_;
  const CombineOptions& how_;
  Combination way_;
  std::vector<ScalePatterns> scales_;
  std::int64_t rank_ = 0;
};

}  // namespace

Result<CombinedAdapter> combine_lora(const std::vector<StoredAdapter>& adapters,
                                     const CombineOptions& how) {
  for (const StoredAdapter& adapter : adapters) {
    const auto init = adapter.config.find("init_lora_weights");
    if (init == adapter.config.end() || !init->is_string()) continue;
    const std::string name = init->get<std::string>();
    for (const char* taken : {"pissa", "olora", "corda", "loftq", "lora_ga"}) {
      if (!name.starts_with(taken)) continue;
      return input_error("init_lora_weights is \"" + name +
                             "\": the adapter stands on a changed base, not on its checkpoint.",
                         adapter.where() + ": init_lora_weights",
                         "Convert it to a plain LoRA first (luthier-cli adapter convert).");
    }
  }
  LUTHIER_TRY(const Combination way, find_combination(how));
  return LoraCombiner(adapters, how, way).run();
}

}  // namespace luthier
