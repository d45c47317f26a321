// SPDX-License-Identifier: GPL-3.0-or-later
// Which layers of Llama 3.2 Vision's decoder look across to pictures.
#pragma once

#include <string>

#include "engine/models/decoder.h"

namespace luthier {

/// Reads cross_attention_layers with MllamaTextConfig's default, and makes room for the marks of
/// pictures, which the head never writes: it has a weight of its own, whatever the config says.
Status read_across_layers(const Json& config, const std::string& where, DecoderOptions& options);

}  // namespace luthier
