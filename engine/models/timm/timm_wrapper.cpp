// SPDX-License-Identifier: GPL-3.0-or-later
// timm's models of pictures from timm's own folders (config.json with `architecture` and
// `pretrained_cfg`, which is the picture processor, too), as TimmWrapperForImageClassification of
// transformers 5.17 loads them: NFNets. Files have timm's names; memory has them behind timm_model,
// as transformers does, and the head as `classifier`, as that of all models of pictures. Dropout
// and dropped paths of `model_args` are not drawn.
#include "engine/models/timm/nfnet_body.h"
#include "engine/models/timm/timm_classes.h"
#include "engine/models/two_towers/two_tower_parts.h"

namespace luthier {

namespace {

constexpr std::string_view kTimmBody = "timm_model.", kTimmHead = "head.fc.", kHead = "classifier.";

Result<Plan> read_timm_wrapper(const Json& config, const std::filesystem::path& folder) {
  const std::string where = (folder / "config.json").string();
  NfnetOptions options;
  LUTHIER_CHECK(read_nfnet_options(config, where, options));
  Plan plan;
  LUTHIER_TRY(plan.labels.classes, read_timm_classes(config, where));
  plan.pictures = pictures_beside("TimmWrapperImageProcessor", options.smallest_frame());
  plan.form = RowForm::PictureAlone;
  plan.initializer_range = 0.01;  // of the head; all else begins as its modules say
  plan.build = [options, classes = plan.labels.classes](const torch::TensorOptions& tensors,
                                                        HeadWeight) {
    return picture_model(std::make_shared<NfnetBody>(options, tensors), {"timm_model"}, classes,
                         tensors);
  };
  return plan;
}

std::string timm_memory_name(const std::string& stored) {
  const std::string name = stored.starts_with(kTimmBody) ? stored.substr(kTimmBody.size()) : stored;
  if (name.starts_with(kTimmHead)) return std::string(kHead) + name.substr(kTimmHead.size());
  return std::string(kTimmBody) + name;
}

std::string timm_stored_name(const std::string& memory) {
  if (memory.starts_with(kHead)) return std::string(kTimmHead) + memory.substr(kHead.size());
  return memory.starts_with(kTimmBody) ? memory.substr(kTimmBody.size()) : memory;
}

}  // namespace

extern const Family timm_wrapper_family;
const Family timm_wrapper_family{"timm_wrapper",
                                 /*takes_pictures=*/true,
                                 read_timm_wrapper,
                                 timm_memory_name,
                                 timm_stored_name,
                                 nullptr,
                                 nullptr,
                                 nullptr,
                                 nullptr,
                                 nullptr,
                                 {.pictures = "TimmWrapperForImageClassification"}};

}  // namespace luthier
