// SPDX-License-Identifier: GPL-3.0-or-later
// What a model makes of a text or of its labelled places, before its head: numbers by which rows
// are told apart. Rows go through the model a few at a time, so that memory holds few rows' states.
#pragma once

#include <functional>
#include <vector>

#include "engine/compare/sample.h"
#include "engine/device/torch.h"
#include "engine/models/loaded_model.h"

namespace luthier {

/// `(done, total)` counts rows; false ends it (Interrupted).
using FeatureProgress = std::function<bool(std::size_t done, std::size_t total)>;

/// Of each sample's prompt the mean of the last layer's states, after the final norm and over all
/// of its tokens: [samples, hidden] float32 on the CPU. By whatever hangs on the model now. An
/// Input error names the sample that cannot be read, or a model that is no decoder.
Result<torch::Tensor> prompt_features(const LoadedModel& model, const std::vector<Sample>& samples,
                                      const FeatureProgress& progress = {});

}  // namespace luthier
