// SPDX-License-Identifier: GPL-3.0-or-later
// BLIP as it is pretrained (Li et al. 2022) is two of transformers' models: one that finds texts
// (BlipForImageTextRetrieval) and one that writes them (BlipForConditionalGeneration), whose tower,
// tables, cross-attentions and feed-forwards are the same. Self-attention and the head of words are
// the writer's own, as the authors' tie_encoder_decoder_weights leaves them.
#pragma once

#include <string>

#include "engine/models/cost.h"
#include "engine/models/loaded_model.h"

namespace luthier {

/// What both have becomes `retriever`'s in `captioner`, with the numbers that it has there. An
/// Input error at `where`: one of them is no such model, or their sizes or settings differ. Nothing
/// requires a gradient afterwards until a strategy says so.
Status share_with_captioner(const LoadedModel& retriever, LoadedModel& captioner,
                            const std::string& where);

/// Whether a captioner's module of this in-memory name is among those.
bool is_shared_with_captioner(const std::string& module);

/// What the captioner makes of the retriever's batch: it writes each row's text behind the states
/// of its picture, which are there already.
Pass captioner_pass(const Pass& retriever, const ModelGeometry& captioner);

}  // namespace luthier
