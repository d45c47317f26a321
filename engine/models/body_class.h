// SPDX-License-Identifier: GPL-3.0-or-later
// Classes of transformers that give states and no scores (BertModel, ViTModel, LlamaModel, ...): a
// folder of one lacks the heads that the family's model has here. Called by tensors, such a folder
// is loaded as one whose heads are 0, since nobody asks them.
#pragma once

#include <string>

#include "engine/io/json.h"

namespace luthier {

/// Whether transformers' class is one, by its name.
bool is_body_class(const std::string& architecture);

/// config.json as the class with heads has it, by which the family reads it: a text encoder's pairs
/// beside its words for BertForNextSentencePrediction, the decoder that T5EncoderModel leaves out,
/// and CLIP's or SigLIP's tower within a model of both.
Json config_with_heads(const Json& config);

/// What tensors' names begin with in that model, and in a tower's own folder need not.
std::string before_tower_names(const Json& config);

/// Whether a folder of the class lacks this tensor (by its name in memory) and is whole.
bool class_lacks(const std::string& architecture, const std::string& name);

}  // namespace luthier
