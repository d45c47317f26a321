// SPDX-License-Identifier: GPL-3.0-or-later
// SAM's picture encoder by itself (Kirillov et al. 2023) as SamVisionModel of transformers 5.17,
// whose files are read, and those of a whole SamModel: of these the prompt encoder and the mask
// decoder stay unread, and what is saved says so. transformers has no class that tells pictures
// apart by it. The head of classes here is Luthier's own: a product with the mean of the neck's
// map.
#include "engine/models/deepseek_ocr2/sam_tower.h"
#include "engine/models/family.h"
#include "engine/models/tower_model.h"

namespace luthier {

namespace {

constexpr const char* kSamBody = "vision_encoder";

Result<Plan> sam_plan(const Json& config, const Json& vision, const std::string& where,
                      const std::string& vision_where) {
  LUTHIER_TRY(SamOptions options, read_sam_options(vision, vision_where));
  options.halves = false;
  Plan plan;
  LUTHIER_CHECK(plan_pictures_alone(config, where, "SamImageProcessor", plan));
  plan.initializer_range = options.initializer_range;
  plan.build = [options, classes = plan.labels.classes](const torch::TensorOptions& tensors,
                                                        HeadWeight) {
    return picture_model(std::make_shared<SamTower>(options, tensors), {kSamBody}, classes,
                         tensors);
  };
  return plan;
}

Result<Plan> read_sam_encoder(const Json& config, const std::filesystem::path& folder) {
  const std::string where = (folder / "config.json").string();
  return sam_plan(config, config, where, where);
}

Result<Plan> read_whole_sam(const Json& config, const std::filesystem::path& folder) {
  const std::string where = (folder / "config.json").string();
  LUTHIER_TRY(const Json vision, config_section(config, "vision_config", where));
  return sam_plan(config, vision, where, where + ": vision_config");
}

/// What is saved is a SamVisionModel, with the head of classes that it may have.
void say_encoder_alone(Json& config) {
  Json alone = config.value("vision_config", Json::object());
  if (!alone.is_object()) alone = Json::object();
  for (const auto& [key, value] : config.items()) {
    const bool of_others = key.ends_with("_config");
    if (!of_others && !alone.contains(key)) alone[key] = value;
  }
  const bool classes = config.contains("id2label");
  if (!classes) alone["architectures"] = Json::array({"SamVisionModel"});
  if (classes && config.contains("architectures")) alone["architectures"] = config["architectures"];
  alone["model_type"] = "sam_vision_model";
  config = std::move(alone);
}

constexpr ClassHeads kSamHeads{.pictures = "SamForImageClassification"};

}  // namespace

extern const Family sam_family;
const Family sam_family{.model_type = "sam",
                        .takes_pictures = true,
                        .read = read_whole_sam,
                        .memory_name = same_name,
                        .stored_name = same_name,
                        .leave_out = say_encoder_alone,
                        .class_heads = kSamHeads};

extern const Family sam_vision_model_family;
const Family sam_vision_model_family{.model_type = "sam_vision_model",
                                     .takes_pictures = true,
                                     .read = read_sam_encoder,
                                     .memory_name = same_name,
                                     .stored_name = same_name,
                                     .class_heads = kSamHeads};

}  // namespace luthier
