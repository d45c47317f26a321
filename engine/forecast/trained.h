// SPDX-License-Identifier: GPL-3.0-or-later
// Inside of the forecast: the modules that train under a recipe, with their ranks.
#pragma once

#include <vector>

#include "engine/forecast/forecast.h"

namespace luthier {

struct TrainedModule {
  const ModuleSummary* module = nullptr;   ///< of the summary that was asked about
  std::int64_t rank = 0;                   ///< of its LoRA pair; 0: trained whole
  std::int64_t parameters = 0;
};

Result<std::vector<TrainedModule>> list_trained(const ModelSummary& model, const Recipe& recipe);

/// Bytes of tensors that live during a step besides weights, gradients and optimizer state.
struct StepBytes {
  std::int64_t kept = 0;                   ///< from the forward to the backward, at the moment of the peak
  std::int64_t workspace = 0;              ///< temporaries at that moment
};

/// What the run's tensors are stored as.
struct TensorSizes {
  std::int64_t element = 4;                ///< bytes of a weight and an activation
  bool checkpointing = false;
};

/// `gradients`: bytes of all gradients, which grow while activations shrink.
StepBytes step_bytes(const ModelSummary& model, const Recipe& recipe, const BatchShape& batch, const std::vector<TrainedModule>& trained, const TensorSizes& sizes,
                     std::int64_t gradients);

/// The tower's layers that run: up to the highest one whose states are used.
std::int64_t tower_layers_run(const ModelSummary& model);
/// Whether the module lies where no gradient ever arrives (tower layers past the last used one, pooling heads).
bool never_reached(const ModuleSummary& module, std::int64_t layers_run);

}  // namespace luthier
