// SPDX-License-Identifier: GPL-3.0-or-later
// What layers of towers and the way from a tower into the text keep for the backward.
#include <algorithm>

#include "engine/models/vision_parts.h"
#include "engine/nn/module_cost.h"

namespace luthier {

MlpCost VisionMlp::cost(const StepTerms& terms, std::int64_t rows, bool flows) const {
  MlpCost cost = mlp_cost(terms, {fc1_}, fc2_, rows, flows);
  add_plug(cost, terms, *this, rows);
  return cost;
}

LayerCost tower_layer_cost(const TowerLayerParts& parts) {
  LayerCost cost;
  cost.share = parts.share;
  if (!parts.flows && !parts.share.trains) return cost;
  cost.attention = (parts.flows ? parts.norm_before : 0) + parts.attention.kept;
  cost.mlp = parts.scales + (parts.attention.passes ? parts.norm_after : 0) + parts.mlp.kept;
  cost.mlp_work = parts.state + parts.mlp.work;
  cost.attention_work = parts.state + parts.attention.core.work + parts.turned;
  return cost;
}

std::int64_t projector_kept(const StepTerms& terms, std::int64_t features, std::int64_t in,
                            std::int64_t between, const TrainedShare& first,
                            const TrainedShare& second) {
  return (first.trains ? terms.block(features * in) : 0) +
         (second.trains ? 2 : 1) * terms.block(features * between) +
         rows_kept(terms, first, features) + rows_kept(terms, second, features);
}

std::int64_t projector_norm_kept(const StepTerms& terms, std::int64_t features, std::int64_t in) {
  return terms.block(features * in) + terms.floats(features * 2);
}

}  // namespace luthier
