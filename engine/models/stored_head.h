// SPDX-License-Identifier: GPL-3.0-or-later
// Whether a checkpoint has an output head of its own where config.json ties the head to the
// embedding. Some families tie unless the configuration says otherwise, and folders of theirs say
// nothing and yet hold two different tensors; as in transformers, the file is then believed.
#pragma once

#include "engine/models/loaded_model.h"

namespace luthier {

/// `model` may be on the meta device. An error where the files cannot be read.
Result<bool> has_own_head(Model& model, const Family& family, const CheckpointFiles& files);

/// Makes the configuration say that the head is not tied, wherever transformers may look.
void untie(const Family& family, Json& config);

/// Gives a tied head a weight of its own, a copy of the embedding's, and makes the configuration
/// say so. False: it was not tied.
bool untie_head(LoadedModel& loaded);
/// The in-memory name of the module that makes logits; empty: there is none.
std::string head_name(Model& model);
/// The tensor that a tied head shares, by its owner's name; empty: the head is not tied.
std::string tied_weight(Model& model);

}  // namespace luthier
