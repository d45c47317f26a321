// SPDX-License-Identifier: GPL-3.0-or-later
// Which reference a run has, and where it comes from. Nothing of it is written into a checkpoint:
// it is made again from the same files and seeds, unless it goes after the policy.
#include "engine/objectives/objective.h"

namespace luthier {

namespace {

bool same_folder(const std::filesystem::path& a, const std::filesystem::path& b) {
  std::error_code problem;
  return std::filesystem::equivalent(a, b, problem);
}

}  // namespace

ReferenceKind reference_kind(const std::filesystem::path& base, const Recipe& recipe,
                             const Objective& objective, bool has_adapter) {
  if (!objective.needs_reference()) return ReferenceKind::None;
  const std::string named = objective.reference_checkpoint();
  if (!has_adapter) return ReferenceKind::Model;
  if (named.empty())
    return recipe.adapter.init_from.empty() ? ReferenceKind::Base : ReferenceKind::Adapter;
  return same_folder(named, base) ? ReferenceKind::Base : ReferenceKind::Model;
}

Result<std::shared_ptr<Reference>> make_reference(LoadedModel& base, const Recipe& recipe,
                                                  const Objective& objective, bool has_adapter) {
  const ReferenceKind kind = reference_kind(base.folder, recipe, objective, has_adapter);
  if (kind == ReferenceKind::None) return std::shared_ptr<Reference>();
  auto reference = std::make_shared<Reference>();
  if (kind == ReferenceKind::Base) return reference;
  if (kind == ReferenceKind::Adapter) {
    LUTHIER_TRY(reference->adapter, load_adapter(base, recipe.adapter.init_from));
    return reference;
  }
  const std::string named = objective.reference_checkpoint();
  LoadOptions options;
  options.device = base.model->device().str();
  options.dtype = base.model->dtype() == torch::kBFloat16 ? "bfloat16" : "float32";
  options.pixels = base.pixels;
  options.quantization = base.quantization;
  options.random_weights = named.empty() && recipe.init == "random";
  options.seed = static_cast<std::uint64_t>(recipe.training.seed);
  LUTHIER_TRY(LoadedModel model,
              load_model(named.empty() ? base.folder : std::filesystem::path(named), options));
  if (model.family != base.family)
    return input_error("The reference model is of another family than the model that is trained.",
                       "ref_model",
                       "Name a checkpoint of the same family, or leave ref_model out.");
  reference->model = std::make_unique<LoadedModel>(std::move(model));
  return reference;
}

Result<NamedTensors> reference_tensors(const Reference& reference, const NamedTensors& trained) {
  const auto all = reference.model->model->named_parameters();
  NamedTensors found;
  for (const auto& [name, tensor] : trained) {
    const torch::Tensor* own = all.find(name);
    if (!own || own->sizes() != tensor.sizes())
      return input_error("The reference model has no tensor " + name +
                             " of the trained one's shape, so it cannot go after it.",
                         "ref_model", "Name a checkpoint of the same sizes, or leave it out.");
    found.emplace_back(name, *own);
  }
  return found;
}

}  // namespace luthier
