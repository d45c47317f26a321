// SPDX-License-Identifier: GPL-3.0-or-later
// A composition with what it takes to write it: the halves' open files, the family's modules
// without memory, and for each tensor the module that it belongs to. Internal to the composer.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/lab/compose/connector.h"
#include "engine/models/model.h"

namespace luthier {

struct PlannedTensor {
  ComposedTensor shown;
  const ParameterModule* owner = nullptr;
  std::string slot;     ///< its name in the owner
  std::string source;   ///< of the language model's: its name in memory there
  double range = 0.02;  ///< of what is drawn
};

struct PlannedComposition {
  std::optional<TowerHalf> tower;
  LanguageSource language;
  const Connector* connector = nullptr;
  const Family* family = nullptr;
  std::shared_ptr<Model> shapes;  ///< on the meta device
  ComposeDraft draft;
  std::vector<PlannedTensor> tensors;
  Composition shown;  ///< with the tensors, too
};

Result<PlannedComposition> plan_whole(const ComposeOrder& order);

}  // namespace luthier
