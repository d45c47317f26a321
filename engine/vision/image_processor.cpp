// SPDX-License-Identifier: GPL-3.0-or-later
// Finds a checkpoint's picture processor: which file holds its settings, which type it names, and
// the table row that builds it.
#include "engine/vision/image_processor.h"

#include "engine/io/timm_config.h"
#include "engine/vision/processor_settings.h"
#include "engine/vision/processors.h"
#include "engine/vision/region_processor.h"

namespace luthier {

namespace {

struct ProcessorRow {
  const char* type;  // as configurations name it, without the backend's suffix
  detail::MadeProcessor (*create)(const Json&, const std::string&, const PixelLimits&);
};

constexpr ProcessorRow kProcessors[] = {
    {"CLIPImageProcessor", detail::create_clip_processor},
    {"SiglipImageProcessor", detail::create_siglip_processor},
    {"BlipImageProcessor", detail::create_blip_processor},
    {"ViTImageProcessor", detail::create_vit_processor},
    {"BitImageProcessor", detail::create_bit_processor},
    {"ConvNextImageProcessor", detail::create_convnext_processor},
    {"EfficientNetImageProcessor", detail::create_efficientnet_processor},
    {"TimmWrapperImageProcessor", detail::create_timm_processor},
    {"ChameleonImageProcessor", detail::create_chameleon_processor},
    {"IdeficsImageProcessor", detail::create_idefics_processor},
    {"LlavaImageProcessor", detail::create_llava_processor},
    {"LlavaNextImageProcessor", detail::create_llava_next_processor},
    {"LlavaOnevisionImageProcessor", detail::create_llava_onevision_processor},
    {"Qwen2VLImageProcessor", detail::create_qwen_processor},
    {"Glm4vImageProcessor", detail::create_glm4v_processor},
    {"Glm46VImageProcessor", detail::create_glm4v_processor},
    {"Idefics3ImageProcessor", detail::create_idefics3_processor},
    {"MiniCPMV4_6ImageProcessor", detail::create_minicpmv_processor},
    {"SmolVLMImageProcessor", detail::create_idefics3_processor},
    {"GotOcr2ImageProcessor", detail::create_got_ocr2_processor},
    {"Ovis2ImageProcessor", detail::create_ovis2_processor},
    {"DeepseekOcr2ImageProcessor", detail::create_deepseek_ocr2_processor},
    {"Phi4MultimodalImageProcessor", detail::create_phi4_multimodal_processor},
    {"PixtralImageProcessor", detail::create_pixtral_processor},
    {"Lfm2VlImageProcessor", detail::create_lfm2_vl_processor},
    {"MllamaImageProcessor", detail::create_mllama_processor},
    {"SamImageProcessor", detail::create_sam_processor},
    {"PrismaticImageProcessor", detail::create_prismatic_processor},
    {"FuyuImageProcessor", detail::create_fuyu_processor},
    {"EveImageProcessor", detail::create_eve_processor},
    {"Gemma3ImageProcessor", detail::create_gemma3_processor},
    {"Gemma4ImageProcessor", detail::create_gemma4_processor},
    {"Gemma4UnifiedImageProcessor", detail::create_gemma4_unified_processor},
    {kRegionFeatures, detail::create_region_processor},
};

// transformers has said CLIPFeatureExtractor, CLIPImageProcessorFast and CLIPImageProcessorPil for
// what is one processor.
std::string plain_type(std::string type) {
  for (const std::string suffix : {"Fast", "Pil"})
    if (type.ends_with(suffix)) type.resize(type.size() - suffix.size());
  const std::string old = "FeatureExtractor";
  if (type.ends_with(old)) type.replace(type.size() - old.size(), old.size(), "ImageProcessor");
  // what InternVL's processor was called before it was GOT-OCR2's
  return type == "InternVLImageProcessor" ? "GotOcr2ImageProcessor" : type;
}

std::string known_types() {
  std::string names;
  for (const ProcessorRow& row : kProcessors)
    names += (names.empty() ? "" : ", ") + std::string(row.type);
  return names;
}

}  // namespace

Result<std::unique_ptr<ImageProcessor>> ImageProcessor::create(const Json& config,
                                                               const std::string& where,
                                                               const PixelLimits& limits) {
  if (!config.is_object())
    return input_error("The picture processor's settings are not an object.", where);
  LUTHIER_TRY(std::string type, json_string(config, "image_processor_type", where, ""));
  std::string field = "image_processor_type";
  if (type.empty()) {
    field = "feature_extractor_type";
    LUTHIER_TRY(type, json_string(config, "feature_extractor_type", where, ""));
  }
  if (type.empty())
    return input_error("The picture processor names no image_processor_type.", where,
                       "Known types: " + known_types() + ".");
  for (const ProcessorRow& row : kProcessors)
    if (plain_type(type) == row.type) return row.create(config, where, limits);
  return input_error("The picture processor type \"" + type + "\" is not known.",
                     where + ": " + field, "Known types: " + known_types() + ".");
}

Result<detail::PictureSettings> detail::read_picture_settings(const std::filesystem::path& folder,
                                                              const ProcessorDefaults& defaults) {
  // Of a model that has none the family says all (region_processor.h).
  if (defaults.type == kRegionFeatures)
    return PictureSettings{defaults.settings, (folder / "config.json").string()};
  std::error_code ignored;
  Json config;
  std::string where;
  // The newer file wins where it holds the processor; many folders have it for other things.
  const std::filesystem::path newer = folder / "processor_config.json",
                              older = folder / "preprocessor_config.json";
  if (std::filesystem::exists(newer, ignored)) {
    LUTHIER_TRY(const Json file, read_json_file(newer));
    if (file.is_object() && file.contains("image_processor")) {
      config = file["image_processor"];
      where = newer.string() + ": image_processor";
    }
  }
  if (where.empty() && !std::filesystem::exists(older, ignored)) {
    const std::filesystem::path whole = folder / "config.json";
    LUTHIER_TRY(const Json model, std::filesystem::exists(whole, ignored)
                                      ? read_json_file(whole)
                                      : Result<Json>(Json::object()));
    if (is_timm_config(model)) {
      config = model[kTimmPictures];
      where = whole.string() + ": " + kTimmPictures;
    }
  }
  if (where.empty()) {
    if (!std::filesystem::exists(older, ignored))
      return input_error(
          "The folder has no picture processor: neither preprocessor_config.json nor an "
          "image_processor in processor_config.json.",
          folder.string(), "Save the model's processor into it.");
    LUTHIER_TRY(config, read_json_file(older));
    where = older.string();
  }
  if (config.is_object()) {
    const bool named =
        config.contains("image_processor_type") || config.contains("feature_extractor_type");
    if (!named && !defaults.type.empty()) config["image_processor_type"] = defaults.type;
    config.update(defaults.settings);
  }
  return PictureSettings{std::move(config), std::move(where)};
}

Result<std::unique_ptr<ImageProcessor>> ImageProcessor::load(const std::filesystem::path& folder,
                                                             const ProcessorDefaults& defaults,
                                                             const PixelLimits& limits) {
  LUTHIER_TRY(const detail::PictureSettings settings,
              detail::read_picture_settings(folder, defaults));
  return create(settings.config, settings.where, limits);
}

}  // namespace luthier
