// SPDX-License-Identifier: GPL-3.0-or-later
// ViT (Dosovitskiy et al. 2021) as ViTForImageClassification of transformers 5.17: classes by the
// first token's last state. Files have the names that the library had before.
#include "engine/data/named_class.h"
#include "engine/models/family.h"
#include "engine/models/vit/picture_transformer.h"
#include "engine/models/vit/vit_names.h"

namespace luthier {

namespace {

std::string vit_name(const std::string& stored) { return vit_memory_name(within("vit", stored)); }

Result<Plan> read_vit(const Json& config, const std::filesystem::path& folder) {
  const std::string where = (folder / "config.json").string();
  PictureTransformerOptions options;
  options.patch_size = 16, options.layer_norm_eps = 1e-12;
  options.hidden_act = Activation::Gelu;
  options.mask_token = named_class(config) == "ViTForMaskedImageModeling";
  LUTHIER_CHECK(read_picture_transformer(config, where, options));
  Plan plan;
  LUTHIER_CHECK(plan_pictures_alone(config, where, "ViTImageProcessor", plan));
  plan.initializer_range = options.initializer_range;
  plan.build = [options, classes = plan.labels.classes](const torch::TensorOptions& tensors,
                                                        HeadWeight) {
    return picture_model(std::make_shared<PictureTransformer>(options, tensors), {"vit"}, classes,
                         tensors);
  };
  return plan;
}

}  // namespace

extern const Family vit_family;
const Family vit_family{"vit",
                        /*takes_pictures=*/true,
                        read_vit,
                        vit_name,
                        vit_stored_name,
                        nullptr,
                        nullptr,
                        nullptr,
                        nullptr,
                        nullptr,
                        {.pictures = "ViTForImageClassification"}};

}  // namespace luthier
