// SPDX-License-Identifier: GPL-3.0-or-later
// EfficientNet (Tan & Le 2019) as EfficientNetForImageClassification of transformers 5.17. What its
// configuration says of dropout is not drawn in training.
#include "engine/models/efficientnet/efficientnet_body.h"
#include "engine/models/family.h"

namespace luthier {

namespace {

Result<Plan> read_efficientnet(const Json& config, const std::filesystem::path& folder) {
  const std::string where = (folder / "config.json").string();
  EfficientnetOptions options;
  LUTHIER_CHECK(read_efficientnet_options(config, where, options));
  Plan plan;
  LUTHIER_CHECK(plan_pictures_alone(config, where, "EfficientNetImageProcessor", plan,
                                    options.smallest_frame()));
  plan.initializer_range = options.initializer_range;
  plan.build = [options, classes = plan.labels.classes](const torch::TensorOptions& tensors,
                                                        HeadWeight) {
    return picture_model(std::make_shared<EfficientnetBody>(options, tensors), {"efficientnet"},
                         classes, tensors);
  };
  return plan;
}

std::string efficientnet_name(const std::string& stored) { return within("efficientnet", stored); }

}  // namespace

extern const Family efficientnet_family;
const Family efficientnet_family{"efficientnet",
                                 /*takes_pictures=*/true,
                                 read_efficientnet,
                                 efficientnet_name,
                                 same_name,
                                 nullptr,
                                 nullptr,
                                 nullptr,
                                 nullptr,
                                 nullptr,
                                 {.pictures = "EfficientNetForImageClassification"}};

}  // namespace luthier
