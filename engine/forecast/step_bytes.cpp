// SPDX-License-Identifier: GPL-3.0-or-later
// What a step keeps, layer by layer, as our modules' backward functions keep it (engine/nn, engine/adapters/lora.cpp, engine/objectives):
//   decoder layer   input, normalised input, q, k, v, attention's output, its sum, normalised sum, gate, up and their product
//   tower layer     the same with one wide tensor before and one after the activation
// A tensor is kept only where something that trains needs it, and nothing is kept below the first layer that trains.
#include <algorithm>
#include <cctype>
#include <set>

#include "engine/forecast/trained.h"
#include "engine/io/json.h"

namespace luthier {
namespace {

constexpr std::int64_t loss_chunk_elements = 1 << 22;   // objectives/cross_entropy.cpp

/// The number after "layers." in a name, or -1.
std::int64_t layer_of(const std::string& name) {
  const std::size_t at = name.find("layers.");
  if (at == std::string::npos || at + 7 >= name.size() || !std::isdigit(static_cast<unsigned char>(name[at + 7]))) return -1;
  return std::strtoll(name.c_str() + at + 7, nullptr, 10);
}

/// What of one layer trains.
struct LayerNeeds {
  bool any = false, qkv = false, out = false, wide_in = false, wide_out = false;
  std::int64_t ranks_qkv = 0, ranks_out = 0, ranks_in = 0, ranks_down = 0;
  std::int64_t parameters = 0;
};

struct Needs {
  std::vector<LayerNeeds> decoder, tower;
  bool tower_trains = false, projector_trains = false, projector_2 = false, embedding_trains = false, head_trains = false, patch_trains = false;
  std::int64_t head_parameters = 0;
};

Needs collect(const ModelSummary& model, const std::vector<TrainedModule>& trained, std::int64_t tower_run) {
  Needs needs;
  needs.decoder.resize(static_cast<std::size_t>(model.geometry.num_hidden_layers));
  needs.tower.resize(static_cast<std::size_t>(std::max<std::int64_t>(0, tower_run)));
  for (const TrainedModule& each : trained) {
    const ModuleSummary& module = *each.module;
    if (never_reached(module, tower_run)) continue;
    const std::int64_t layer = layer_of(module.name);
    const std::string last = module.name.substr(module.name.rfind('.') + 1);
    if (module.part == "projector") {
      needs.projector_trains = true;
      if (last == "linear_2") needs.projector_2 = true;
      continue;
    }
    const bool tower = module.part == "vision_tower";
    if (tower) needs.tower_trains = true;
    auto& layers = tower ? needs.tower : needs.decoder;
    if (layer < 0 || layer >= static_cast<std::int64_t>(layers.size())) {
      if (tower) needs.patch_trains = needs.patch_trains || last == "patch_embedding";
      else if (last == "embed_tokens") needs.embedding_trains = true;
      else if (last == "lm_head") needs.head_trains = true, needs.head_parameters = each.parameters;
      continue;
    }
    LayerNeeds& need = layers[static_cast<std::size_t>(layer)];
    need.any = true;
    need.parameters += each.parameters;
    if (last == "q_proj" || last == "k_proj" || last == "v_proj") need.qkv = true, need.ranks_qkv += each.rank;
    else if (last == "o_proj" || last == "out_proj") need.out = true, need.ranks_out += each.rank;
    else if (last == "gate_proj" || last == "up_proj" || last == "fc1") need.wide_in = true, need.ranks_in += each.rank;
    else if (last == "down_proj" || last == "fc2") need.wide_out = true, need.ranks_down += each.rank;
  }
  return needs;
}

}  // namespace

std::int64_t tower_layers_run(const ModelSummary& model) {
  const std::int64_t layers = model.geometry.vision_layers;
  std::vector<std::int64_t> used{-2};
  if (const auto config = read_json_file(model.folder / "config.json"); config && config->is_object()) {
    const auto found = config->find("vision_feature_layer");
    if (found != config->end() && found->is_number_integer()) used = {found->get<std::int64_t>()};
    if (found != config->end() && found->is_array()) {
      used.clear();
      for (const Json& layer : *found) {
        if (layer.is_number_integer()) used.push_back(layer.get<std::int64_t>());
      }
    }
  }
  std::int64_t last = 0;
  for (const std::int64_t layer : used) last = std::max(last, layer < 0 ? layer + layers + 1 : layer);
  return std::min(last, layers);
}

bool never_reached(const ModuleSummary& module, std::int64_t layers_run) {
  if (module.part != "vision_tower") return false;
  const std::int64_t layer = layer_of(module.name);
  if (layer >= 0) return layer >= layers_run;
  return module.name.find("post_layernorm") != std::string::npos || module.name.find(".head.") != std::string::npos || module.name.ends_with(".head");
}

StepBytes step_bytes(const ModelSummary& model, const Recipe& recipe, const BatchShape& batch, const std::vector<TrainedModule>& trained, const TensorSizes& sizes,
                     std::int64_t gradients) {
  const ModelGeometry& g = model.geometry;
  const std::int64_t e = sizes.element, n = batch.tokens, labels = std::min(batch.labels, n);
  const std::int64_t m = batch.pictures.frames * g.vision_tokens + batch.pictures.patches, features = batch.pictures.tokens;
  const std::int64_t run = tower_layers_run(model);
  const Needs needs = collect(model, trained, run);
  const bool lora = recipe.strategy == "lora";
  const std::int64_t hidden = g.hidden_size, wide = g.intermediate_size;
  const std::int64_t query = g.num_attention_heads * g.head_dim, group = g.num_attention_heads / std::max<std::int64_t>(1, g.num_key_value_heads);
  const std::int64_t keys = group > 1 ? query : g.num_key_value_heads * g.head_dim;

  // A layer's share, given that a gradient flows into its input (`flows`).
  const auto decoder_layer = [&](const LayerNeeds& need, bool flows) {
    if (!flows && !need.any) return std::int64_t{0};
    const bool inside = flows || need.qkv;      // the attention itself is on the gradient's way
    std::int64_t bytes = 0;
    if (flows) bytes += n * hidden * e + n * 4;                                              // input, its scale
    if (need.qkv) bytes += n * hidden * e + n * need.ranks_qkv * 4;                          // normalised input, x Aᵀ
    if (inside) bytes += n * (2 * query + 2 * keys) * e + n * g.num_attention_heads * 4;     // q, k, v, output, log-sums
    else if (need.out) bytes += n * query * e;
    bytes += n * need.ranks_out * 4;
    const bool reaches_sum = inside || need.out;
    if (reaches_sum) bytes += n * hidden * e + n * 4;
    if (need.wide_in) bytes += n * hidden * e + n * need.ranks_in * 4;
    const bool reaches_wide = reaches_sum || need.wide_in;
    if (reaches_wide) bytes += 2 * n * wide * e;                                             // gate, up
    if (need.wide_out) bytes += n * wide * e + n * need.ranks_down * 4;
    return bytes;
  };
  const auto tower_layer = [&](const LayerNeeds& need, bool flows) {
    if (!flows && !need.any) return std::int64_t{0};
    const std::int64_t size = g.vision_hidden_size, broad = g.vision_intermediate_size;
    std::int64_t bytes = 0;
    if (flows) bytes += m * size * e + m * 8;
    if (need.qkv) bytes += m * size * e + m * need.ranks_qkv * 4;
    if (flows || need.qkv) bytes += 4 * m * size * e + m * g.vision_heads * 4;
    else if (need.out) bytes += m * size * e;
    bytes += m * need.ranks_out * 4 + m * size * e + m * 8;
    if (need.wide_in) bytes += m * size * e + m * need.ranks_in * 4;
    bytes += 2 * m * broad * e;                                                              // before the activation, and quick_gelu's own
    if (need.wide_out) bytes += m * broad * e + m * need.ranks_down * 4;
    return bytes;
  };

  // Forward, from the pixels up.
  std::int64_t below = batch.pictures.numbers * 4;                                           // pixel values stay for the micro-batch
  bool flows = needs.patch_trains;
  for (const LayerNeeds& need : needs.tower) {
    below += tower_layer(need, flows);
    flows = flows || need.any;
  }
  if (!needs.tower_trains) below = m * g.vision_hidden_size * e;                             // the features alone
  if (flows || needs.projector_trains) {
    below += (m * g.vision_hidden_size + features * 2 * hidden) * e;
    flows = true;
  }
  flows = flows || needs.embedding_trains;
  below += n * hidden * e;                                                                   // the embeddings themselves

  std::vector<std::int64_t> layers;                                                          // kept by each decoder layer
  std::int64_t deepest = 0;
  for (const LayerNeeds& need : needs.decoder) {
    const std::int64_t whole = decoder_layer(need, flows || (sizes.checkpointing && need.any));
    deepest = std::max(deepest, whole);
    layers.push_back(sizes.checkpointing ? (flows || need.any ? n * hidden * e : 0) : whole);
    flows = flows || need.any;
  }
  const std::int64_t top = flows ? n * hidden * e + n * 4 : 0;                               // the final norm's input
  std::int64_t all = below + top;
  for (const std::int64_t bytes : layers) all += bytes;

  // Candidates for the peak: in the loss, in the last layer's backward, anywhere below while gradients grow.
  const std::int64_t chunk = std::min<std::int64_t>(labels, std::max<std::int64_t>(1, loss_chunk_elements / std::max<std::int64_t>(1, g.vocab_size)));
  const std::int64_t head_gradient = needs.head_trains || (needs.embedding_trains && g.tied_embeddings) ? g.vocab_size * hidden * 4 : 0;
  const std::int64_t loss = n * hidden * e + 2 * labels * hidden * e + chunk * g.vocab_size * (e == 4 ? 4 : 8) + chunk * hidden * e + head_gradient;
  const std::int64_t narrow = e < 4 ? 4 - e : 0;   // float32 copies in lower precisions
  const std::int64_t wide_work = n * wide * (3 * e + narrow) + n * hidden * (e + narrow);   // of the gated product's backward
  const std::int64_t norm_work = 5 * n * hidden * 4;
  const std::int64_t backward = std::max(flows ? wide_work : 0, flows ? norm_work : 0) + (sizes.checkpointing ? deepest : 0);
  const std::int64_t tower_work = needs.tower_trains ? m * g.vision_intermediate_size * (3 * e + narrow) : 0;

  const std::int64_t standing = recipe.training.gradient_accumulation_steps > 1 ? gradients : 0;   // of earlier micro-batches
  std::int64_t best = standing + all + loss;
  StepBytes result{all, loss};
  const auto consider = [&](std::int64_t grown, std::int64_t kept, std::int64_t workspace) {
    if (std::max(standing, grown) + kept + workspace <= best) return;
    best = std::max(standing, grown) + kept + workspace;
    result = {kept, workspace};
    result.kept += std::max(standing, grown) - gradients;   // gradients are counted as a part of their own
  };
  result.kept += standing - gradients;
  std::int64_t grown = head_gradient, kept = all - top + labels * hidden * e;
  consider(grown, kept, backward);
  for (std::size_t i = layers.size(); i-- > 0;) {
    kept -= layers[i];
    grown += lora ? needs.decoder[i].parameters * 4 : needs.decoder[i].parameters * e;
    if (i > 0) consider(grown, kept, backward);
  }
  consider(grown, kept, tower_work);
  consider(gradients, 0, e < 4 && !lora ? head_gradient : 0);                                // the optimizer's own step
  if (result.kept < 0) result.kept = 0;
  return result;
}

}  // namespace luthier
