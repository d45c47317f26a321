// SPDX-License-Identifier: GPL-3.0-or-later
// All methods side by side for one model, from names and shapes alone: what trains, what stands in
// memory for it whatever the rows are, and how large the result's file is. A config.json is enough;
// activations are the forecast's (forecast.h), which needs rows. No LibTorch here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/json.h"
#include "engine/models/model_summary.h"

namespace luthier {

/// Bytes, but for the parameters.
struct MethodRow {
  std::string method;
  std::optional<Error> refused;  ///< why the method does not go with this model or the settings
  std::int64_t trained = 0;      ///< parameters
  std::int64_t weights = 0;      ///< the base's, packed where the settings say so
  std::int64_t adapter = 0;      ///< what is added to it
  std::int64_t gradients = 0;    ///< of one micro-batch
  std::int64_t moments = 0;      ///< the optimizer's state
  std::int64_t masters = 0;      ///< float32 values of trained tensors that are narrower
  std::int64_t file = 0;         ///< what the run leaves behind
  std::int64_t total() const { return weights + adapter + gradients + moments + masters; }
};

struct MethodTable {
  std::int64_t parameters = 0;  ///< the model's
  std::string optimizer, dtype;
  std::vector<MethodRow> rows;  ///< in the order of the methods' list
};

/// `settings` ("adapter.r=32") go to the methods that have them; one that none has is refused.
/// `dtype`: float32 | bfloat16.
Result<MethodTable> method_table(const ModelSummary& model,
                                 const std::vector<std::string>& settings,
                                 const std::string& dtype);

Json to_json(const MethodTable& table);

}  // namespace luthier
