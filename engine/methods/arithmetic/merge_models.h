// SPDX-License-Identifier: GPL-3.0-or-later
// Whole checkpoints of one architecture become one: a weighted mean, a way between two on the
// sphere (SLERP, Shoemake 1985), or a base and the sum of what each adds to it (task arithmetic,
// Ilharco et al. 2023; TIES and DARE of tensor_arithmetic.h). From files to a file, tensor by
// tensor in float32, so that memory holds one tensor of each model and never a model.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/io/json.h"
#include "engine/methods/arithmetic/tensor_arithmetic.h"

namespace luthier {

struct MergeModelsOptions {
  std::string method = "linear";       ///< see model_merges()
  std::vector<double> weights;         ///< one a model
  std::filesystem::path base;          ///< of methods that work on what was added to one
  std::optional<double> density;       ///< asked for where something is pruned
  MajoritySign majority = MajoritySign::Total;
  std::uint64_t seed = 0;              ///< of what DARE leaves out
  std::function<bool(double)> go_on;   ///< told the share that is written; false: Interrupted
};

/// linear, slerp, task_arithmetic, ties, dare_linear, dare_ties.
const std::vector<std::string>& model_merges();

/// The point at `t` of the way from `one` to `other` along the great circle of their directions;
/// straight on where these are one (their cosine above 0.9995) or one of them is 0.
torch::Tensor slerp(const torch::Tensor& one, const torch::Tensor& other, double t);

struct MergeModelsReport {
  std::int64_t tensors = 0, parameters = 0;
  std::vector<std::string> notes;
};
Json to_json(const MergeModelsReport& report);

/// Writes `out`, which is new or empty: the first model's files with the merged weights, each in
/// the type that the first one stores it in. Models that do not have the same tensors are an Input
/// error that names the first.
Result<MergeModelsReport> merge_models(const std::vector<std::filesystem::path>& models,
                                       const MergeModelsOptions& how,
                                       const std::filesystem::path& out);

}  // namespace luthier
