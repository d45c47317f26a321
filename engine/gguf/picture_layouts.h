// SPDX-License-Identifier: GPL-3.0-or-later
// The picture halves that mtmd knows, each by the name of its projector there.
#pragma once

#include "engine/gguf/layout.h"
#include "engine/models/gemma/gemma3.h"
#include "engine/models/idefics3/idefics3.h"
#include "engine/models/llava/llava.h"
#include "engine/models/qwen_vl/qwen_vl.h"

namespace luthier {

/// "mlp": a tower of CLIP's or SigLIP's kind read at one or several of its layers, two products.
/// What lies above those layers is left.
Result<GgufLayout> gguf_llava_pictures(const LlavaOptions& options, const GgufCheckpoint& from);
/// "qwen2vl_merger", "qwen2.5vl_merger", "qwen3vl_merger".
Result<GgufLayout> gguf_qwen_pictures(const QwenVlOptions& options, const GgufCheckpoint& from);
/// "gemma3".
Result<GgufLayout> gguf_gemma3_pictures(const Gemma3Options& options, const GgufCheckpoint& from);
/// "idefics3", which is SmolVLM's too.
Result<GgufLayout> gguf_idefics3_pictures(const Idefics3Options& options,
                                          const GgufCheckpoint& from);

}  // namespace luthier
