// SPDX-License-Identifier: GPL-3.0-or-later
// What is larger where a run learns from several answers to each prompt: a micro-batch of samples,
// and the cache that answers are drawn with. Internal to the forecast.
#pragma once

#include "engine/batches/order.h"
#include "engine/forecast/forecast.h"

namespace luthier {

/// The largest micro-batch that a generation of these rows (longest first) can be cut into, and
/// what is drawn at once for it.
BatchShape sampled_shape(const std::vector<RowShape>& rows, const GenerationPlan& plan,
                         const Recipe& recipe);

/// Keys and values of the answers that are drawn together. `element`: bytes of a number.
std::int64_t drawing_bytes(const ModelSummary& model, const BatchShape& batch,
                           std::int64_t element);

}  // namespace luthier
