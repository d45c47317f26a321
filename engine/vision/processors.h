// SPDX-License-Identifier: GPL-3.0-or-later
// The builders that image_processor.cpp's table points to; one file a kind of processor. Internal
// to the vision room.
#pragma once

#include "engine/vision/image_processor.h"

namespace luthier::detail {

using MadeProcessor = Result<std::unique_ptr<ImageProcessor>>;

MadeProcessor create_clip_processor(const Json& config, const std::string& where,
                                    const PixelLimits& limits);
MadeProcessor create_siglip_processor(const Json& config, const std::string& where,
                                      const PixelLimits& limits);
MadeProcessor create_llava_processor(const Json& config, const std::string& where,
                                     const PixelLimits& limits);
MadeProcessor create_qwen_processor(const Json& config, const std::string& where,
                                    const PixelLimits& limits);
MadeProcessor create_glm4v_processor(const Json& config, const std::string& where,
                                     const PixelLimits& limits);
MadeProcessor create_idefics3_processor(const Json& config, const std::string& where,
                                        const PixelLimits& limits);
MadeProcessor create_minicpmv_processor(const Json& config, const std::string& where,
                                        const PixelLimits& limits);
MadeProcessor create_llava_next_processor(const Json& config, const std::string& where,
                                          const PixelLimits& limits);
MadeProcessor create_llava_onevision_processor(const Json& config, const std::string& where,
                                               const PixelLimits& limits);
MadeProcessor create_got_ocr2_processor(const Json& config, const std::string& where,
                                        const PixelLimits& limits);
MadeProcessor create_ovis2_processor(const Json& config, const std::string& where,
                                     const PixelLimits& limits);
MadeProcessor create_deepseek_ocr2_processor(const Json& config, const std::string& where,
                                             const PixelLimits& limits);
MadeProcessor create_pixtral_processor(const Json& config, const std::string& where,
                                       const PixelLimits& limits);
MadeProcessor create_lfm2_vl_processor(const Json& config, const std::string& where,
                                       const PixelLimits& limits);
MadeProcessor create_mllama_processor(const Json& config, const std::string& where,
                                      const PixelLimits& limits);
MadeProcessor create_gemma3_processor(const Json& config, const std::string& where,
                                      const PixelLimits& limits);
MadeProcessor create_gemma4_processor(const Json& config, const std::string& where,
                                      const PixelLimits& limits);
MadeProcessor create_gemma4_unified_processor(const Json& config, const std::string& where,
                                              const PixelLimits& limits);

}  // namespace luthier::detail
