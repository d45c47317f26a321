// SPDX-License-Identifier: GPL-3.0-or-later
// LLaVA-OneVision (Li et al. 2024): LLaVA-NeXT with a SigLIP tower and a Qwen2 decoder. Lines over
// very many tiles are shrunk before they are closed; of several pictures in a row each is one frame
// and one line's end. A film's frames are brought to half a side and closed by one. As
// LlavaOnevisionForConditionalGeneration of transformers 5.17.
#pragma once

#include "engine/models/llava_next/llava_next.h"

namespace luthier {

Result<LlavaNextOptions> read_llava_onevision_options(const Json& config, const std::string& where);

/// The row of the family table.
extern const Family llava_onevision_family;

}  // namespace luthier
