// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/eva.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "engine/base/log.h"
#include "engine/base/random_stream.h"
#include "engine/methods/adapter_tensors.h"
#include "engine/methods/build_adapter.h"
#include "engine/methods/incremental_pca.h"
#include "engine/methods/layer_choice.h"
#include "engine/methods/method.h"

namespace luthier {

using torch::Tensor;

namespace {

constexpr std::int64_t kLookedAround = 8;  // batches that are asked which layers they reach
constexpr std::int64_t kMostBatches = 10000;

/// Tells rows from others, of which nothing else need be kept.
struct RowsPrint {
  std::int64_t rows = 0, columns = 0;
  std::uint64_t bits = 0;

  void add(const Tensor& more) {
    const Tensor words = more.contiguous().view(torch::kInt32);
    rows += more.size(0);
    columns = more.size(1);
    const auto* word = words.const_data_ptr<std::int32_t>();
    for (std::int64_t i = 0; i < words.numel(); ++i)
      bits = mixed_bits(bits + static_cast<std::uint32_t>(word[i]) + 1);
  }
  bool operator==(const RowsPrint&) const = default;
};

/// In the place of a linear's product: what it reads is kept until the batch is through, or its
/// print alone.
class ReadingPlug : public LinearPlug {
 public:
  enum class Keeps { Nothing, Print, Rows };

  Tensor forward(const Tensor& x, const LinearImpl& linear) const override {
    if (keeps == Keeps::Nothing) return linear.product(x);
    Tensor rows = x.detach().reshape({-1, x.size(-1)});
    if (tokens.defined() && rows.size(0) == tokens.size(0))
      rows = rows.index_select(0, tokens.nonzero().view({-1}).to(rows.device()));
    rows = rows.to(torch::kCPU, torch::kFloat32);
    if (keeps == Keeps::Rows)
      read.push_back(rows);
    else
      print.add(rows);
    return linear.product(x);
  }
  bool row_by_row() const override { return false; }

  Tensor tokens;  ///< of the batch, which count; undefined: of this layer all rows do
  Keeps keeps = Keeps::Nothing;
  mutable std::vector<Tensor> read;  ///< [n, in] float32, of each call
  mutable RowsPrint print;
};

/// A layer on the way to its directions.
struct EvaLayer {
  std::string name;
  Linear linear = nullptr;
  std::int64_t rank = 0, most = 0;  ///< asked for, and at most
  bool of_text = false;             ///< its rows are the batch's tokens
  std::size_t leader = 0;           ///< the first layer that reads the same; itself: it is that one
  std::shared_ptr<ReadingPlug> plug = std::make_shared<ReadingPlug>();
  std::unique_ptr<IncrementalPca> directions;
  Tensor stands;           ///< bool [most]: which directions have come to stand
  bool done = false;       ///< all that its rank takes of them
  std::int64_t share = 0;  ///< the rank that it gets
};

/// Hangs the reading plugs, and takes them off at its end.
class Listening {
 public:
  explicit Listening(std::vector<EvaLayer>& layers) : layers_(layers) {
    for (EvaLayer& layer : layers_) layer.linear->plug = layer.plug.get();
  }
  ~Listening() {
    for (EvaLayer& layer : layers_) layer.linear->plug = nullptr;
  }
  Listening(const Listening&) = delete;
  Listening& operator=(const Listening&) = delete;

 private:
  std::vector<EvaLayer>& layers_;
};

Status pass_over(std::vector<EvaLayer>& layers, const EvaBatches& batches, std::int64_t number) {
  for (EvaLayer& layer : layers) {
    layer.plug->read.clear();
    layer.plug->print = {};
  }
  const torch::NoGradGuard no_grad;
  return batches.pass(number % batches.count, [&](const Tensor& tokens) {
    for (EvaLayer& layer : layers) layer.plug->tokens = layer.of_text ? tokens : Tensor();
  });
}

Tensor joined_rows(const ReadingPlug& plug) {
  return plug.read.size() == 1 ? plug.read.front() : at::cat(plug.read);
}

/// Which layers are reached, and which of them read the same. The others are taken out.
Result<std::vector<std::string>> look_around(std::vector<EvaLayer>& layers,
                                             const EvaBatches& batches) {
  std::vector<std::optional<RowsPrint>> first(layers.size());
  for (EvaLayer& layer : layers) layer.plug->keeps = ReadingPlug::Keeps::Print;
  const std::int64_t most = std::min(batches.count, kLookedAround);
  for (std::int64_t number = 0; number < most; ++number) {
    LUTHIER_CHECK(pass_over(layers, batches, number));
    bool all = true;
    for (std::size_t i = 0; i < layers.size(); ++i) {
      if (!first[i] && layers[i].plug->print.columns > 0) {
        first[i] = layers[i].plug->print;
        for (std::size_t other = 0; other < i && layers[i].leader == i; ++other)
          if (layers[other].leader == other && first[other] == first[i]) layers[i].leader = other;
      }
      all = all && first[i];
    }
    if (all) break;
  }
  std::vector<std::string> unreached;
  std::vector<std::size_t> place(layers.size());
  std::vector<EvaLayer> kept;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    layers[i].plug->keeps = ReadingPlug::Keeps::Nothing;
    if (!first[i]) {
      unreached.push_back(layers[i].name);
      layers[i].linear->plug = nullptr;
      continue;
    }
    place[i] = kept.size();
    layers[i].leader = place[layers[i].leader];
    kept.push_back(std::move(layers[i]));
  }
  layers = std::move(kept);
  return unreached;
}

/// Layers that read the same have as many directions at most; each of them can have as many.
Status give_room(std::vector<EvaLayer>& layers) {
  for (const EvaLayer& layer : layers) {
    EvaLayer& leader = layers[layer.leader];
    leader.most = std::max(leader.most, layer.most);
  }
  for (EvaLayer& layer : layers) {
    layer.most = layers[layer.leader].most;
    layer.share = layer.most;
    if (layer.most > layer.linear->in_features()) {
      return input_error("Of " + layer.name + " up to " + std::to_string(layer.most) +
                             " directions are asked for, and what it reads has " +
                             std::to_string(layer.linear->in_features()) + " numbers.",
                         "adapter.eva_rho", "Lower it, or adapter.r.");
    }
  }
  for (std::size_t i = 0; i < layers.size(); ++i) {
    EvaLayer& layer = layers[i];
    if (layer.leader != i) continue;
    layer.directions = std::make_unique<IncrementalPca>(layer.most);
    layer.stands = torch::zeros({layer.most}, torch::kBool);
  }
  return {};
}

/// Whether it has so many directions that stand.
bool has_come_to_stand(const EvaLayer& layer) {
  return layer.stands.slice(0, 0, layer.share).all().item<bool>();
}

/// Another batch of what the layer has read. Too few rows say nothing.
void look_at(EvaLayer& layer, double tau) {
  if (layer.plug->read.empty()) return;
  const Tensor rows = joined_rows(*layer.plug);
  layer.plug->read.clear();
  if (rows.size(0) < layer.most) return;
  const Tensor before = layer.directions->components();
  layer.directions->add(rows);
  if (!before.defined()) return;
  layer.stands = at::cosine_similarity(layer.directions->components(), before) >= tau;
}

/// The budget goes to the directions that explain most, whichever layer they are of.
void share_out(std::vector<EvaLayer>& layers, std::int64_t budget) {
  std::vector<std::size_t> order;  // those that look first, then those that read the same
  for (std::size_t i = 0; i < layers.size(); ++i)
    if (layers[i].leader == i) order.push_back(i);
  for (std::size_t i = 0; i < layers.size(); ++i)
    if (layers[i].leader != i) order.push_back(i);
  std::vector<std::pair<double, std::size_t>> all;
  for (const std::size_t i : order) {
    const Tensor explained = layers[layers[i].leader].directions->explained();
    for (std::int64_t k = 0; k < explained.size(0); ++k)
      all.emplace_back(explained[k].item<double>(), i);
    layers[i].share = 0;
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  for (std::size_t k = 0; k < all.size() && static_cast<std::int64_t>(k) < budget; ++k)
    ++layers[all[k].second].share;
  for (EvaLayer& layer : layers) {
    EvaLayer& leader = layers[layer.leader];
    if (leader.share < layer.share) std::swap(leader.share, layer.share);
  }
}

Error too_few_rows(const EvaLayer& layer) {
  return input_error("No batch has as many rows for " + layer.name +
                         " as directions are asked for, " + std::to_string(layer.most) + ".",
                     "adapter.eva_rho",
                     "Lower it or adapter.r, raise training.per_device_train_batch_size, or write "
                     "adapter.eva_use_label_mask: false, which takes in all tokens.");
}

Status find_directions(std::vector<EvaLayer>& layers, const EvaBatches& batches, double tau) {
  std::int64_t budget = 0;
  for (const EvaLayer& layer : layers) budget += layer.rank;
  for (std::int64_t number = 0; number < kMostBatches; ++number) {
    bool done = true;
    for (EvaLayer& layer : layers) {
      if (!layer.directions) continue;
      layer.done = has_come_to_stand(layer);
      layer.plug->keeps = layer.done ? ReadingPlug::Keeps::Nothing : ReadingPlug::Keeps::Rows;
      done = done && layer.done;
    }
    if (done) return {};
    LUTHIER_CHECK(pass_over(layers, batches, number));
    const EvaLayer* waits = nullptr;
    for (EvaLayer& layer : layers) {
      if (!layer.directions) continue;
      if (!layer.done) look_at(layer, tau);
      if (!layer.directions->begun()) waits = &layer;
    }
    if (!waits)
      share_out(layers, budget);
    else if (number + 1 == batches.count)
      return too_few_rows(*waits);
  }
  return input_error("The directions of eva's start have not come to stand in " +
                         std::to_string(kMostBatches) + " batches.",
                     "adapter.eva_tau", "Lower it.");
}

/// The settings with what was found in them, as PEFT writes it: each layer by its name.
AdapterSettings settled(const AdapterSettings& asked, const ModuleSelection& selection,
                        const std::vector<EvaLayer>& layers) {
  AdapterSettings settings = asked;
  settings.rank_pattern.clear();
  settings.alpha_pattern.clear();
  settings.target_modules = {ModuleSelector::Kind::Names, {}, {}};
  for (const char* key : {kLayers, kLayersPattern}) settings.more.set_json(key, "null");
  const bool adjusts = asked.more.flag("adapter.eva_adjust_scaling_factors");
  for (const WrappedModule& module : selection.wrapped) {
    const auto layer = std::find_if(layers.begin(), layers.end(),
                                    [&](const EvaLayer& each) { return each.name == module.name; });
    std::int64_t rank = module.scale.rank;
    double alpha = module.scale.alpha;
    if (layer != layers.end()) {
      rank = layer->share;
      if (rank == 0) continue;
      if (adjusts && rank != module.scale.rank)
        alpha *= static_cast<double>(rank) / static_cast<double>(module.scale.rank);
    }
    settings.target_modules.names.push_back(module.name);
    if (rank != asked.r) settings.rank_pattern.emplace_back(module.name, rank);
    if (alpha != asked.lora_alpha) settings.alpha_pattern.emplace_back(module.name, alpha);
  }
  return settings;
}

/// The layers that it can be asked of, in the order of the model.
std::vector<EvaLayer> layers_of(const Ports& ports, const Model& model,
                                const ModuleSelection& selection, double rho) {
  std::vector<EvaLayer> layers;
  for (const WrappedModule& module : selection.wrapped) {
    const auto linear = ports.linears.find(module.name);
    if (linear == ports.linears.end()) continue;
    EvaLayer layer;
    layer.name = module.name;
    layer.linear = linear->second;
    layer.rank = module.scale.rank;
    layer.most = static_cast<std::int64_t>(
        std::nearbyint(static_cast<double>(module.scale.rank) * rho));  // halves to even
    layer.of_text = model.part_of(module.name) == kLanguageModel;
    layer.leader = layers.size();
    layers.push_back(std::move(layer));
  }
  return layers;
}

}  // namespace

bool starts_by_eva(const std::string& strategy, const AdapterSettings& settings) {
  return strategy == "lora" && settings.init_lora_weights == "eva" && settings.init_from.empty();
}

Tensor eva_tokens(const Tensor& labels, const AdapterSettings& settings) {
  const Tensor there = labels.to(torch::kCPU);
  if (!settings.more.flag("adapter.eva_use_label_mask"))
    return torch::ones(there.sizes(), torch::kBool);
  return there != settings.more.integer("adapter.eva_label_mask_value");
}

Result<std::shared_ptr<Adapter>> create_eva_adapter(LoadedModel& base,
                                                    const AdapterSettings& settings,
                                                    std::uint64_t seed, const EvaBatches& batches) {
  LUTHIER_TRY(const Method* method, find_method("lora"));
  const Ports ports = list_ports(*base.model);
  LUTHIER_TRY(const ModuleSelection selection,
              method->of_modules->select(ports.modules, ports.head_name, settings));
  std::vector<EvaLayer> layers =
      layers_of(ports, *base.model, selection, settings.more.number("adapter.eva_rho"));
  if (!layers.empty()) {
    const Listening listening(layers);
    LUTHIER_TRY(const std::vector<std::string> unreached, look_around(layers, batches));
    for (const std::string& name : unreached)
      log_warning("eva: no row of the run's beginning reaches " + name +
                  ", which starts as LoRA does otherwise.");
    LUTHIER_CHECK(give_room(layers));
    LUTHIER_CHECK(find_directions(layers, batches, settings.more.number("adapter.eva_tau")));
  }
  LUTHIER_TRY(const auto adapter,
              create_adapter(base, "lora", settled(settings, selection, layers), seed));
  const torch::NoGradGuard no_grad;
  std::map<std::string, Tensor> tensors;
  for (const auto& [key, tensor] : adapter->tensors()) tensors[key] = tensor;
  for (const EvaLayer& layer : layers) {
    if (layer.share == 0) continue;
    const IncrementalPca& found = *layers[layer.leader].directions;
    Tensor a = found.components().slice(0, 0, layer.share);  // [rank, in]
    if (settings.more.flag("adapter.eva_whiten"))
      a = a / found.singular_values().slice(0, 0, layer.share).sqrt().unsqueeze(1);
    tensors.at(std::string(kPeftPrefix) + layer.name + ".lora_A.weight").copy_(a);
  }
  return adapter;
}

}  // namespace luthier
