// SPDX-License-Identifier: GPL-3.0-or-later
// ResNet (He et al. 2016) as ResNetForImageClassification of transformers 5.17: classes by the mean
// of the last map.
#include "engine/models/family.h"
#include "engine/models/resnet/resnet_body.h"

namespace luthier {

namespace {

Result<Plan> read_resnet(const Json& config, const std::filesystem::path& folder) {
  const std::string where = (folder / "config.json").string();
  LUTHIER_TRY(const ResnetOptions options, read_resnet_options(config, where));
  Plan plan;
  LUTHIER_CHECK(plan_pictures_alone(config, where, "ConvNextImageProcessor", plan));
  plan.build = [options, classes = plan.labels.classes](const torch::TensorOptions& tensors,
                                                        HeadWeight) {
    return picture_model(std::make_shared<ResnetBody>(options, tensors), {"resnet", "classifier.1"},
                         classes, tensors);
  };
  return plan;
}

std::string resnet_name(const std::string& stored) { return within("resnet", stored); }

}  // namespace

extern const Family resnet_family;
const Family resnet_family{"resnet",
                           /*takes_pictures=*/true,
                           read_resnet,
                           resnet_name,
                           same_name,
                           nullptr,
                           nullptr,
                           nullptr,
                           nullptr,
                           nullptr,
                           {.pictures = "ResNetForImageClassification"}};

}  // namespace luthier
