// SPDX-License-Identifier: GPL-3.0-or-later
// Which half of which layer trains, from the modules' names: families call the same things
// differently.
#include <algorithm>
#include <cctype>
#include <initializer_list>
#include <string_view>

#include "engine/forecast/trained.h"

namespace luthier {
namespace {

/// The number after "layers.", "layer." or "blocks." in a name, or -1.
std::int64_t layer_of(const std::string& name) {
  for (const std::string_view word : {"layers.", "layer.", "blocks."}) {
    const std::size_t at = name.find(word);
    if (at == std::string::npos || at + word.size() >= name.size() ||
        !std::isdigit(static_cast<unsigned char>(name[at + word.size()])))
      continue;
    return std::strtoll(name.c_str() + at + word.size(), nullptr, 10);
  }
  return -1;
}

bool among(const std::string& name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

void add_to_layer(LayerNeeds& need, const std::string& last, const TrainedModule& each) {
  need.any = true;
  need.parameters += each.parameters;
  if (among(last, {"q_proj", "k_proj", "v_proj", "qkv"}))
    need.qkv = true, need.ranks_qkv += each.rank;
  else if (among(last, {"o_proj", "out_proj", "proj", "projection_layer"}))
    need.out = true, need.ranks_out += each.rank;
  else if (among(last, {"gate_proj", "up_proj", "fc1", "linear_fc1"}))
    need.wide_in = true, need.ranks_in += each.rank;
  else if (among(last, {"down_proj", "fc2", "linear_fc2"}))
    need.wide_out = true, need.ranks_down += each.rank;
  else if (std::isdigit(static_cast<unsigned char>(last.front())))
    need.scales = true;  // the layer's own parameters
}

}  // namespace

bool never_reached(const ModuleSummary& module, const ModelGeometry& geometry) {
  if (module.part != "vision_tower") return false;
  if (module.name.find(".head.") != std::string::npos || module.name.ends_with(".head"))
    return true;  // SigLIP's pooling
  const std::int64_t layer = layer_of(module.name);
  if (layer >= 0) return layer >= geometry.vision_layers_run;
  return !geometry.vision_final_norm &&
         (module.name.ends_with(".post_layernorm") || module.name.ends_with(".layernorm"));
}

Needs collect_needs(const ModelSummary& model, const std::vector<TrainedModule>& trained) {
  Needs needs;
  needs.decoder.resize(static_cast<std::size_t>(model.geometry.num_hidden_layers));
  needs.tower.resize(
      static_cast<std::size_t>(std::max<std::int64_t>(0, model.geometry.vision_layers_run)));
  for (const TrainedModule& each : trained) {
    const ModuleSummary& module = *each.module;
    if (never_reached(module, model.geometry)) continue;
    const std::int64_t layer = layer_of(module.name);
    const std::string last = module.name.substr(module.name.rfind('.') + 1);
    if (module.part == "projector") {
      needs.projector = true;
      needs.ranks_projector += each.rank;
      if (among(last, {"linear_2", "2", "linear_fc2"}))
        needs.projector_out = true;
      else if (module.shape.size() == 2)
        needs.projector_in = true;
      continue;
    }
    const bool tower = module.part == "vision_tower";
    if (tower) needs.tower_trains = true;
    auto& layers = tower ? needs.tower : needs.decoder;
    if (layer >= 0 && layer < static_cast<std::int64_t>(layers.size())) {
      add_to_layer(layers[static_cast<std::size_t>(layer)], last, each);
    } else if (tower) {
      const bool above =
          module.name.ends_with(".post_layernorm") || module.name.ends_with(".layernorm");
      needs.tower_start = needs.tower_start || !above;
      needs.patches = needs.patches || module.type.starts_with("Conv");
    } else if (last == "embed_tokens") {
      needs.embedding = true;
      needs.embedding_whole = needs.embedding_whole || !each.plugged;
    } else if (last == "lm_head") {
      needs.head = !each.plugged;
      needs.head_rank = each.rank, needs.head_parameters = each.parameters;
    }
  }
  return needs;
}

}  // namespace luthier
