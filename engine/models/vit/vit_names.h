// SPDX-License-Identifier: GPL-3.0-or-later
// The names that files have of ViT's and MAE's layers, which are those that transformers had before
// 5, and the names in memory.
#pragma once

#include <string>

namespace luthier {

/// In files "vit.encoder.layer.3.attention.attention.query.weight", in memory
/// "vit.layers.3.attention.q_proj.weight"; MAE's "decoder.decoder_layers.3." likewise, which files
/// may call "decoder.decoder_encoder.layer.3.", and ours never do.
std::string vit_memory_name(const std::string& stored);
std::string vit_stored_name(const std::string& memory);

}  // namespace luthier
