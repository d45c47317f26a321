// SPDX-License-Identifier: GPL-3.0-or-later
// Swin (Liu et al. 2021) as SwinForImageClassification of transformers 5.17. Files have the names
// that the library had before. What the configuration says of dropout and of dropped paths, which
// it does unless told otherwise, is not drawn in training.
#include "engine/models/family.h"
#include "engine/models/swin/swin_body.h"

namespace luthier {

namespace {

std::string of_swin_alone(const std::string& stored) {
  return swin_memory_name(within("swin", stored));
}
std::string stored_by_swin(const std::string& memory) { return swin_stored_name(memory); }

Result<Plan> read_swin(const Json& config, const std::filesystem::path& folder) {
  const std::string where = (folder / "config.json").string();
  SwinOptions options;
  LUTHIER_CHECK(read_swin_options(config, where, options));
  Plan plan;
  LUTHIER_CHECK(
      plan_pictures_alone(config, where, "ViTImageProcessor", plan, options.smallest_frame()));
  plan.initializer_range = options.initializer_range;
  plan.build = [options, classes = plan.labels.classes](const torch::TensorOptions& tensors,
                                                        HeadWeight) {
    return picture_model(std::make_shared<SwinBody>(options, tensors), {"swin"}, classes, tensors);
  };
  return plan;
}

}  // namespace

extern const Family swin_family;
const Family swin_family{"swin",
                         /*takes_pictures=*/true,
                         read_swin,
                         of_swin_alone,
                         stored_by_swin,
                         nullptr,
                         nullptr,
                         nullptr,
                         nullptr,
                         nullptr,
                         {.pictures = "SwinForImageClassification"}};

}  // namespace luthier
