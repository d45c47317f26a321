// SPDX-License-Identifier: GPL-3.0-or-later
// Of pretraining by pictures and their texts: which models have what it asks for, what the momentum
// copies say of a batch, and the loss of what is written or was covered.
#pragma once

#include "engine/objectives/momentum_queue.h"
#include "engine/objectives/objective.h"

namespace luthier {

inline constexpr const char* kCaptioner = "image_text_pretraining.captioner";

/// What the recipe asks of the step.
struct PretrainingParts {
  double lm = 0, momentum = 0;  ///< the weight of what is written; of the copies
  bool captioner = false;       ///< one is named
};
/// Input error naming the setting or config.json's field where the model lacks a part.
Status check_pretrained(const LoadedModel& base, const PretrainingParts& parts);

/// What the reference, which is the momentum copies, says of a batch: [rows, width] float32 each,
/// without a graph.
PairPoints copies_of(Policy& policy, const ModelInput& input);

/// The mean over tokens of what the captioner says of each next one: [].
torch::Tensor captioner_loss(Model& model, const ModelInput& shown);
/// The mean over the covered tokens of what the model says of each: []; undefined: there is none.
torch::Tensor covered_loss(Encoder& encoder, const ModelInput& input);
/// The mean over tokens [n] of their loss by states [n, width], as smooth as the model's labels
/// are:
/// [].
torch::Tensor token_loss(const torch::Tensor& states, const Linear& head,
                         const torch::Tensor& tokens, const Model& model);

}  // namespace luthier
