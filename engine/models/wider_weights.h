// SPDX-License-Identifier: GPL-3.0-or-later
// What a model in bfloat16 does not hold of its weights: the digits that stand in the checkpoint's
// files, or that they were drawn with. Masters begin there, and what nothing trains is written back
// from there.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/models/loaded_model.h"

namespace luthier {

class WiderWeights {
 public:
  /// Opens the folder's files again, where the model is narrower than float32 and was not drawn.
  /// `loaded` must outlive it.
  static Result<WiderWeights> open(const LoadedModel& loaded);

  /// The float32 value of the model's parameter of this name, on `device`; undefined where no more
  /// of it is known than it holds, or where it is no longer as it was loaded. Memory: the value.
  Result<torch::Tensor> value(const std::string& name, const torch::Tensor& parameter,
                              torch::Device device) const;
  /// An Input error where a file has changed meanwhile.
  Status check_unchanged() const;

 private:
  explicit WiderWeights(const LoadedModel& loaded) : loaded_(&loaded) {}

  const LoadedModel* loaded_;
  std::optional<CheckpointFiles> files_;
  std::map<std::string, std::string> stored_;  ///< names in the files by those in memory
};

/// Those of these parameters, beside the parameters.
Result<std::map<std::string, torch::Tensor>> wider_weights(const LoadedModel& loaded,
                                                           const std::vector<std::string>& names);

}  // namespace luthier
