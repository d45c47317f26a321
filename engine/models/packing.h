// SPDX-License-Identifier: GPL-3.0-or-later
// Which linears of a model get packed weights while it loads: those that the checkpoint holds so,
// or those that settings ask for. A model with some is built without memory and gets its tensors
// one by one, so that the dense form of the whole never stands anywhere.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>

#include "engine/models/loaded_model.h"
#include "engine/models/model_summary.h"
#include "engine/models/stored_tensor.h"

namespace luthier {

/// Of one weight in a checkpoint: what stands beside it, by the ends of the names.
using PartsOfWeight = std::map<std::string, std::string>;

struct PackingPlan {
  const WeightKind* kind = nullptr;             ///< null: every weight is dense
  Json settings;                                ///< as quantization_config has them
  std::set<std::string> modules;                ///< in-memory names of the linears that are packed
  std::map<std::string, PartsOfWeight> stored;  ///< of those that the files hold packed

  explicit operator bool() const { return kind != nullptr; }
};

/// Whether the files hold the parameter of this in-memory name ("X.weight") packed.
bool is_packed(const PackingPlan& plan, const std::string& parameter);

/// `asked`: settings of a recipe or a command line, null for none. A checkpoint that is packed is
/// loaded so; an Input error where it is packed otherwise than asked.
Result<PackingPlan> plan_packing(Model& shapes, const Family& family, const CheckpointFiles& files,
                                 const Json& config, const Json& asked, const std::string& where);
/// The same for a model without files: what `asked` alone would do. Head and shapes are `model`'s.
Result<PackingPlan> plan_packing(Model& model, const Json& asked, const std::string& where);

/// In-memory name → stored name of the checkpoint's tensors, those beside packed weights left out.
Result<std::map<std::string, std::string>> stored_names(const Family& family,
                                                        const CheckpointFiles& files,
                                                        const PackingPlan& plan,
                                                        const std::string& where);

/// Gives memory to all tensors of a model on the meta device but the packed ones.
void place_tensors(Model& model, const torch::TensorOptions& options, const PackingPlan& plan);

/// The packed weights of the plan, one after another.
Status load_packed(Model& model, const CheckpointFiles& files,
                   const std::map<std::string, std::string>& names, const PackingPlan& plan,
                   const torch::TensorOptions& options, const std::string& where,
                   const ReadWatch& watch);

/// Every linear of the model that is packed, by its name.
std::map<std::string, Linear> packed_linears(Model& model);
/// The packed weights become dense ones of `dtype`.
void unpack_weights(Model& model, torch::ScalarType dtype);

/// What the weights of each part will take in memory where plain numbers have `element` bytes:
/// of packed ones, and of those that `asked` would pack, by their kind. From names and shapes.
Result<std::vector<std::pair<std::string, std::int64_t>>> bytes_by_part(const ModelSummary& model,
                                                                        std::int64_t element,
                                                                        const Json& asked);

/// Bytes that a packed weight's numbers take while they are dense, of `element` bytes each, at
/// most; 0: no weight is packed.
Result<std::int64_t> largest_dense_run(const ModelSummary& model, const Json& asked,
                                       std::int64_t element, bool cpu);

/// Parameters of a model, packed ones counted, and the bytes that its weights take in memory.
std::int64_t parameter_count(Model& model);
std::int64_t weight_bytes(const Model& model);

}  // namespace luthier
