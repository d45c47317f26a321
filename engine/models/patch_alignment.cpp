// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/patch_alignment.h"

namespace luthier {

VisionTowerImpl* tower_of(const Model& model) {
  VisionTowerImpl* found = nullptr;
  for (const auto& module : model.modules(/*include_self=*/false)) {
    auto* tower = dynamic_cast<VisionTowerImpl*>(module.get());
    if (!tower) continue;
    if (found) return nullptr;
    found = tower;
  }
  return found;
}

}  // namespace luthier
