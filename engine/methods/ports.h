// SPDX-License-Identifier: GPL-3.0-or-later
// Where plugs can hang on a loaded model: its modules by what they offer. Methods ask it and know
// no family's classes.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/methods/module_selection.h"
#include "engine/models/loaded_model.h"
#include "engine/nn/experts.h"
#include "engine/nn/patch_port.h"
#include "engine/nn/patch_product.h"

namespace luthier {

struct Ports {
  std::vector<ModelModule> modules;  ///< in the model's order, then what PEFT also meets
  std::string head_name;
  std::map<std::string, Linear> linears;
  std::map<std::string, Embedding> embeddings;  ///< of tokens
  std::map<std::string, PatchProduct*> patches;
  std::map<std::string, Experts> experts;
  std::map<std::string, BranchPort*> branches;
  std::vector<std::pair<std::string, AttentionPort*>> attentions;  ///< layer after layer
  std::vector<std::pair<std::string, SequencePort*>> sequences;
  std::vector<std::pair<std::string, PatchPort*>> towers;
  /// Name of a tensor → the module that reads it, and the member it reads.
  std::map<std::string, std::pair<std::string, torch::Tensor*>> slots;
};
Ports list_ports(Model& model);

}  // namespace luthier
