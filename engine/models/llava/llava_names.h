// SPDX-License-Identifier: GPL-3.0-or-later
// What of LLaVA lies in files: the generations of tensor names, and the processor's settings that
// decide how many tokens a picture takes.
#pragma once

#include <filesystem>
#include <string>

#include "engine/models/llava/llava.h"

namespace luthier {

/// Any known stored name → transformers 5.17's in-memory name. Known generations:
/// language_model.model.…, language_model.lm_head.…, vision_tower.vision_model.… (until 4.51, and
/// what 5.17 still saves), and the native model.language_model.… .
std::string llava_memory_name(const std::string& stored);
/// In-memory name → the name that transformers 5.17's save_pretrained writes.
std::string llava_stored_name(const std::string& memory);

struct LlavaProcessorSettings {
  std::int64_t patch_size = 0;
  std::int64_t num_additional_image_tokens = 0;
  bool drop_first_feature = true;
  std::string image_token = "<image>";
};
/// processor_config.json where it names them, else preprocessor_config.json, else what the model's
/// config implies.
Result<LlavaProcessorSettings> read_llava_processor_settings(const std::filesystem::path& folder,
                                                             const LlavaOptions& options);

}  // namespace luthier
