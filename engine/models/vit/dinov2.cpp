// SPDX-License-Identifier: GPL-3.0-or-later
// DINOv2 (Oquab et al. 2024) as Dinov2ForImageClassification of transformers 5.17, and with
// registers (Darcet et al. 2024) as Dinov2WithRegistersForImageClassification: classes by the first
// token's last state beside the mean of the patches'. Frames may have any size.
#include <cmath>

#include "engine/models/config_numbers.h"
#include "engine/models/family.h"
#include "engine/models/vit/picture_transformer.h"

namespace luthier {

namespace {

Result<Plan> read_dinov2(const Json& config, const std::filesystem::path& folder, bool registers) {
  const std::string where = (folder / "config.json").string();
  PictureTransformerOptions options;
  options.dinov2 = options.any_size = options.mean_beside = true;
  options.smooth_stretch = registers;
  options.patch_size = registers ? 16 : 14, options.layer_norm_eps = 1e-6;
  options.hidden_act = Activation::Gelu;
  Json sizes = config;
  std::int64_t width = options.hidden_size;
  LUTHIER_CHECK(read_in_range(config, "hidden_size", where, 1, 1 << 20, width));
  LUTHIER_TRY(const double ratio, json_number(config, "mlp_ratio", where, 4));
  if (!(ratio > 0) || ratio > 64)
    return input_error("mlp_ratio must be above 0 and at most 64.", where + ": mlp_ratio");
  sizes["intermediate_size"] = static_cast<std::int64_t>(static_cast<double>(width) * ratio);
  LUTHIER_CHECK(read_picture_transformer(sizes, where, options));
  LUTHIER_TRY(options.gated_mlp, json_bool(config, "use_swiglu_ffn", where, false));
  LUTHIER_TRY(options.layerscale_value, json_number(config, "layerscale_value", where, 1));
  LUTHIER_TRY(options.mask_token, json_bool(config, "use_mask_token", where, /*fallback=*/true));
  options.mask_token = options.mask_token || registers;
  if (registers) {
    options.registers = 4;
    LUTHIER_CHECK(
        read_in_range(config, "num_register_tokens", where, 0, 1 << 16, options.registers));
  }
  Plan plan;
  LUTHIER_CHECK(plan_pictures_alone(config, where, "BitImageProcessor", plan, options.patch_size));
  plan.initializer_range = options.initializer_range;
  const char* body = registers ? "dinov2_with_registers" : "dinov2";
  plan.build = [options, body, classes = plan.labels.classes](const torch::TensorOptions& tensors,
                                                              HeadWeight) {
    return picture_model(std::make_shared<PictureTransformer>(options, tensors), {body}, classes,
                         tensors);
  };
  return plan;
}

Result<Plan> read_plain(const Json& config, const std::filesystem::path& folder) {
  return read_dinov2(config, folder, false);
}
Result<Plan> read_with_registers(const Json& config, const std::filesystem::path& folder) {
  return read_dinov2(config, folder, true);
}

std::string plain_name(const std::string& stored) { return within("dinov2", stored); }
std::string name_with_registers(const std::string& stored) {
  return within("dinov2_with_registers", stored);
}

}  // namespace

extern const Family dinov2_family;
extern const Family dinov2_with_registers_family;
const Family dinov2_family{"dinov2",
                           /*takes_pictures=*/true,
                           read_plain,
                           plain_name,
                           same_name,
                           nullptr,
                           nullptr,
                           nullptr,
                           nullptr,
                           nullptr,
                           {.pictures = "Dinov2ForImageClassification"}};

const Family dinov2_with_registers_family{
    "dinov2_with_registers",
    /*takes_pictures=*/true,
    read_with_registers,
    name_with_registers,
    same_name,
    nullptr,
    nullptr,
    nullptr,
    nullptr,
    nullptr,
    {.pictures = "Dinov2WithRegistersForImageClassification"}};

}  // namespace luthier
