// SPDX-License-Identifier: GPL-3.0-or-later
// The teaching checkpoint's folder without its weights: a LLaVA of about 3 M parameters (CLIP
// tower, two-layer projector, Llama decoder).
#pragma once

#include <cstdint>
#include <filesystem>

#include "engine/base/result.h"

namespace luthier {

/// The chat template of its folder: " USER: <image> question ASSISTANT: answer</s>".
const char* skeleton_template();

/// config.json, generation_config.json, preprocessor_config.json, processor_config.json,
/// chat_template.jinja and the tokenizer's files.
Status write_skeleton(const std::filesystem::path& folder, std::uint64_t seed);

}  // namespace luthier
