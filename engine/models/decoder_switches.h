// SPDX-License-Identifier: GPL-3.0-or-later
// What single kinds of decoders are besides sizes and a row of defaults: Cohere 2, Phi-3 and the
// two rotaries of Gemma 3.
#pragma once

#include <string>

#include "engine/models/decoder.h"

namespace luthier {

Status read_cohere(const Json& config, const std::string& where, DecoderOptions& options);

/// Phi-3 takes the length that it was trained with from beside the rotary settings alone, and what
/// its first files call su or yarn for longrope.
Status read_phi3(const Json& config, const std::string& where, const RotaryDefaults& defaults,
                 DecoderOptions& options);

/// Gemma 3's settings for layers of one type: what rope_parameters holds for it (a flat one holds
/// nothing for either), with the older rope_scaling on top for layers of full attention.
Result<RotaryOptions> read_layer_rotary(const Json& config, std::int64_t head_dim,
                                        const std::string& where, const RotaryDefaults& defaults,
                                        bool sliding);

}  // namespace luthier
