// SPDX-License-Identifier: GPL-3.0-or-later
// The builders that the tables of image_processor.cpp and film_processor.cpp point to; one file a
// kind of processor. Internal to the vision room.
#pragma once

#include "engine/vision/film_processor.h"
#include "engine/vision/image_processor.h"

namespace luthier::detail {

using MadeProcessor = Result<std::unique_ptr<ImageProcessor>>;
using MadeFilmProcessor = Result<std::unique_ptr<FilmProcessor>>;

MadeProcessor create_chameleon_processor(const Json& config, const std::string& where,
                                         const PixelLimits& limits);
MadeProcessor create_clip_processor(const Json& config, const std::string& where,
                                    const PixelLimits& limits);
MadeProcessor create_siglip_processor(const Json& config, const std::string& where,
                                      const PixelLimits& limits);
MadeProcessor create_blip_processor(const Json& config, const std::string& where,
                                    const PixelLimits& limits);
MadeProcessor create_idefics_processor(const Json& config, const std::string& where,
                                       const PixelLimits& limits);
MadeProcessor create_llava_processor(const Json& config, const std::string& where,
                                     const PixelLimits& limits);
MadeProcessor create_vit_processor(const Json& config, const std::string& where,
                                   const PixelLimits& limits);
MadeProcessor create_bit_processor(const Json& config, const std::string& where,
                                   const PixelLimits& limits);
MadeProcessor create_convnext_processor(const Json& config, const std::string& where,
                                        const PixelLimits& limits);
MadeProcessor create_efficientnet_processor(const Json& config, const std::string& where,
                                            const PixelLimits& limits);
MadeProcessor create_timm_processor(const Json& config, const std::string& where,
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
MadeProcessor create_phi4_multimodal_processor(const Json& config, const std::string& where,
                                               const PixelLimits& limits);
MadeProcessor create_pixtral_processor(const Json& config, const std::string& where,
                                       const PixelLimits& limits);
MadeProcessor create_lfm2_vl_processor(const Json& config, const std::string& where,
                                       const PixelLimits& limits);
MadeProcessor create_sam_processor(const Json& config, const std::string& where,
                                   const PixelLimits& limits);
MadeProcessor create_mllama_processor(const Json& config, const std::string& where,
                                      const PixelLimits& limits);
MadeProcessor create_prismatic_processor(const Json& config, const std::string& where,
                                         const PixelLimits& limits);
MadeProcessor create_fuyu_processor(const Json& config, const std::string& where,
                                    const PixelLimits& limits);
MadeProcessor create_eve_processor(const Json& config, const std::string& where,
                                   const PixelLimits& limits);
MadeProcessor create_gemma3_processor(const Json& config, const std::string& where,
                                      const PixelLimits& limits);
MadeProcessor create_gemma4_processor(const Json& config, const std::string& where,
                                      const PixelLimits& limits);
MadeProcessor create_gemma4_unified_processor(const Json& config, const std::string& where,
                                              const PixelLimits& limits);

/// The video processor's settings of a folder, and where they stand.
struct FoundFilmSettings {
  Json config;
  std::string where;
  bool in_whole = false;  ///< in processor_config.json
};
Result<FoundFilmSettings> find_film_settings(const std::filesystem::path& folder,
                                             const std::string& type);

MadeFilmProcessor create_qwen_film_processor(const Json& config, const std::string& where,
                                             const FilmLimits& limits);
MadeFilmProcessor create_qwen3_film_processor(const Json& config, const std::string& where,
                                              const FilmLimits& limits);
MadeFilmProcessor create_smolvlm_film_processor(const Json& config, const std::string& where,
                                                const FilmLimits& limits);
MadeFilmProcessor create_llava_onevision_film_processor(const Json& config,
                                                        const std::string& where,
                                                        const FilmLimits& limits);

/// What the settings and the recipe say of frames, in place of `standard`, a kind's own.
Result<FrameChoice> read_frame_choice(const Json& config, const std::string& where,
                                      const FilmLimits& limits, FrameChoice standard);

}  // namespace luthier::detail
