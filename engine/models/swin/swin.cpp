// SPDX-License-Identifier: GPL-3.0-or-later
// Swin (Liu et al. 2021) as SwinForImageClassification of transformers 5.17. Files have the names
// that the library had before. What the configuration says of dropout and of dropped paths, which
// it does unless told otherwise, is not drawn in training.
#include <array>

#include "engine/models/family.h"
#include "engine/models/swin/swin_body.h"

namespace luthier {

namespace {

/// Stored names and those in memory, within a layer, the longer ones first.
constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kSwinNames{
    {{".attention.self.query.", ".attention.q_proj."},
     {".attention.self.key.", ".attention.k_proj."},
     {".attention.self.value.", ".attention.v_proj."},
     {".attention.self.relative_position_bias_table",
      ".attention.relative_position_bias.relative_position_bias_table"},
     {".attention.output.dense.", ".attention.o_proj."},
     {".intermediate.dense.", ".mlp.fc1."},
     {".output.dense.", ".mlp.fc2."}}};

std::string swin_memory_name(const std::string& stored) {
  std::string name = within("swin", stored);
  for (const auto& [old, now] : kSwinNames)
    if (const std::size_t at = name.find(old); at != std::string::npos)
      return name.replace(at, old.size(), now);
  return name;
}

std::string swin_stored_name(const std::string& memory) {
  std::string name = memory;
  for (const auto& [old, now] : kSwinNames)
    if (const std::size_t at = name.find(now); at != std::string::npos)
      return name.replace(at, now.size(), old);
  return name;
}

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
                         swin_memory_name,
                         swin_stored_name,
                         nullptr,
                         nullptr,
                         nullptr,
                         nullptr,
                         nullptr,
                         {.pictures = "SwinForImageClassification"}};

}  // namespace luthier
