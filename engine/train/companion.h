// SPDX-License-Identifier: GPL-3.0-or-later
// The second model that an objective has learn beside the policy: how it comes to be, and that its
// tensors train with the policy's and come out as a result. Checkpoints are train/checkpoint's.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "engine/objectives/objective.h"
#include "engine/train/strategy.h"

namespace luthier {

/// Makes what the objective asks for, if it does, gives it to it, and puts its tensors behind the
/// policy's under its prefix. `checkpoint`: a resume's, whose adapter it takes; the weights of one
/// that trains whole come back with read_weights. An Input error names the setting and what is
/// wrong with the folder.
Status add_companion(Trainables& trainables, const LoadedModel& policy, const Recipe& recipe,
                     Objective& objective, const std::filesystem::path& checkpoint = {});

/// Beside the run's result, in a folder of its name, as a run that trained it alone would leave it,
/// with what it has together with the policy. `masters`: the optimizer's, of all tensors.
Status save_companion(const std::filesystem::path& run, const Companion& companion,
                      const LoadedModel& policy, const Recipe& recipe,
                      const std::map<std::string, torch::Tensor>& masters);

}  // namespace luthier
