// SPDX-License-Identifier: GPL-3.0-or-later
// What captioners have in common that write from a ResNet's last map (VirTex, VisualGPT).
#pragma once

#include <string>

#include "engine/models/family.h"

namespace luthier {

/// config[key], else `id` as it is; Input error unless it is a token of a vocabulary of so many.
Status read_word_of(const Json& config, const char* key, const std::string& where,
                    std::int64_t vocabulary, TokenId& id);

/// Captions (models/caption_tokens.h) of pictures that are one square frame of this edge, which the
/// map makes so many states of.
PicturePlan map_captions(std::int64_t edge, std::int64_t states, TokenId start, TokenId end);

}  // namespace luthier
