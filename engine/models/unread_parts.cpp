// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/unread_parts.h"

#include <array>
#include <string_view>

namespace luthier {

namespace {

struct UnreadPart {
  std::string_view model_type, begins;
};

constexpr std::array<UnreadPart, 4> kUnreadParts{{
    {"phi4_multimodal", "model.embed_tokens_extend.audio_embed."},
    {"gemma4", "model.audio_tower."},
    {"gemma4", "model.embed_audio."},
    {"gemma4_unified", "model.embed_audio."},
}};

}  // namespace

bool is_left_unread(const std::string& model_type, const std::string& name) {
  for (const UnreadPart& part : kUnreadParts)
    if (part.model_type == model_type && name.starts_with(part.begins)) return true;
  return false;
}

}  // namespace luthier
