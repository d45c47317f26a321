// SPDX-License-Identifier: GPL-3.0-or-later
// Of towers that make a map of each picture: numbers by place.
#pragma once

#include "engine/models/model.h"

namespace luthier {

class FeatureMaps {
 public:
  virtual ~FeatureMaps() = default;
  /// pixels [pictures, 3, height, width] → [pictures, channels, rows, columns].
  virtual torch::Tensor maps(const torch::Tensor& pixels) = 0;
};

/// What in the model makes them; null: nothing does.
inline FeatureMaps* feature_maps(const Model& model) {
  for (const auto& module : model.modules(/*include_self=*/false))
    if (auto* maps = dynamic_cast<FeatureMaps*>(module.get())) return maps;
  return nullptr;
}

}  // namespace luthier
