// SPDX-License-Identifier: GPL-3.0-or-later
// A model called as transformers' class of the same name is: tensors by the names of its arguments
// (input_ids [rows, length] with attention_mask, pixel_values, labels, ...), and what it gives by
// the names of its outputs. So a number can be held against transformers without a tokenizer
// between.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/result.h"
#include "engine/models/loaded_model.h"

namespace luthier {

struct ClassArguments {
  std::map<std::string, torch::Tensor> tensors;  ///< on the CPU
  std::map<std::string, std::string> options;    ///< scalars: return_loss
  std::string where;                             ///< the tensors' file, for what errors say
};

struct ClassOutputs {
  /// float32, padded as the arguments are; what stands at filled-up places is 0.
  std::vector<std::pair<std::string, torch::Tensor>> named;
  torch::Tensor loss;  ///< []; undefined: no labels were given, nor return_loss
};

/// Input errors name an argument that the class does not take or lacks, and shapes that do not fit.
/// With gradients where the thread makes them.
Result<ClassOutputs> class_forward(LoadedModel& loaded, const ClassArguments& arguments);

}  // namespace luthier
